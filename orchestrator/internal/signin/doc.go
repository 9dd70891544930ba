// Package signin signs a person in to a Keystone and knows nothing of what they
// do there. It finds the credentials as the OpenStack command line does
// (clouds.yaml and secure.yaml, an openrc's OS_* variables, the access token of
// Chameleon's JupyterHub), speaks the methods that Chameleon offers, keeps the
// token fresh, and says in sentences what is wrong and what to do when signing
// in fails, at the start or hours later.
//
// Sources are cited as [PCHI:…] for ChameleonCloud/python-chi, [JL:…] and [JH:…]
// for Chameleon's Jupyter images and hub, and [CIAB:…] for
// ChameleonCloud/chi-in-a-box.
package signin
