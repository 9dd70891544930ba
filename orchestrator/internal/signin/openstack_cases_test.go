package signin

import "strings"

// at is a case's files, by path and text.
func at(pairs ...string) map[string]string {
	files := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]] = pairs[i+1]
	}
	return files
}

// project is a case with only a clouds.yaml beside the user, and OS_CLOUD=edge.
func project(name, clouds string, more ...string) beside {
	return beside{name: name, files: at(append([]string{"project/clouds.yaml", clouds}, more...)...),
		env: "OS_CLOUD=edge"}
}

func (b beside) with(env string) beside        { b.env = strings.TrimPrefix(env, "\n"); return b }
func (b beside) because(differs string) beside { b.differs = differs; return b }

// edgeBut is an entry with an application credential, all in auth, and more
// beside it; swaps are old and new strings.
func edgeBut(more string, swaps ...string) string {
	text := `clouds:
  edge:
    auth_type: v3applicationcredential
    region_name: CHI@Edge
` + more + `    auth:
      auth_url: $AUTH_URL
      application_credential_id: $APPLICATION_CREDENTIAL_ID
      application_credential_secret: $APPLICATION_CREDENTIAL_SECRET
`
	return strings.NewReplacer(swaps...).Replace(text)
}

func passwordBut(more string, swaps ...string) string {
	return strings.NewReplacer(swaps...).Replace(`clouds:
  edge:
    auth_type: password
` + more + `    auth:
      auth_url: $AUTH_URL
      username: $USER
      password: $PASSWORD
      user_domain_name: chameleon
      project_name: CHI-000001
      project_domain_name: chameleon
`)
}

const (
	secretLine = "      application_credential_secret: $APPLICATION_CREDENTIAL_SECRET\n"
	idLine     = "      application_credential_id: $APPLICATION_CREDENTIAL_ID\n"
	urlLine    = "      auth_url: $AUTH_URL\n"
	secretFile = "clouds:\n  edge:\n    auth:\n" + secretLine
	openrcGood = "\nOS_AUTH_URL=$AUTH_URL\nOS_AUTH_TYPE=v3applicationcredential\n" +
		"OS_APPLICATION_CREDENTIAL_ID=$APPLICATION_CREDENTIAL_ID\n" +
		"OS_APPLICATION_CREDENTIAL_SECRET=$APPLICATION_CREDENTIAL_SECRET\nOS_REGION_NAME=CHI@Edge"
	publicURL = "public-clouds:\n  chi:\n    auth_type: v3applicationcredential\n    auth:\n      auth_url: $AUTH_URL\n"
)

func overHTTPS(more string) string { return edgeBut(more, "$AUTH_URL", "$TLS") }

var asOpenStack = []beside{
	// Where settings stand.
	project("everything under auth", edgeBut("")),
	project("no auth section", edgeBut("", "    auth:\n", "", "      ", "    ")),
	project("auth is empty", edgeBut("    auth: {}\n", "    auth:\n", "", "      ", "    ")),
	project("auth is null", edgeBut("", "    auth:\n", "    auth:\n", "      ", "    ")).
		because("openstack fails with a fault of its own"),
	project("some beside auth", edgeBut("    auth_url: $AUTH_URL\n", urlLine, "")),
	project("a wrong value beside a right one", edgeBut("    auth_url: http://127.0.0.1:1/v3\n")).
		because("openstack takes what is beside auth, chexp what is in it"),
	project("dashes for underscores", edgeBut("", "auth_url:", "auth-url:", "credential_id:", "credential-id:")),
	project("dashes beside auth", edgeBut("    auth-url: $AUTH_URL\n", urlLine, "")),
	project("auth_plugin for auth_type", edgeBut("", "auth_type", "auth_plugin")).
		because("openstack's default, password, wins over this old name"),
	project("an alias of YAML", "x: &a {auth_url: $AUTH_URL}\n"+edgeBut("", "    auth:\n"+urlLine,
		"    auth:\n      <<: *a\n")),
	project("CRLF", edgeBut("", "\n", "\r\n")),
	project("a mark at the file's begin", "\ufeff"+edgeBut("")),
	project("tabs", edgeBut("", "      ", "\t")),
	project("blanks after values", edgeBut("", "\n", "   \n")),
	project("a blank in the secret's quotes", edgeBut("", "$APPLICATION_CREDENTIAL_SECRET",
		"\"$APPLICATION_CREDENTIAL_SECRET \"")),
	project("a number for a name", strings.ReplaceAll(edgeBut(""), "edge", "2024")).with("OS_CLOUD=2024").
		because("Python reads a number there, which is no name"),
	project("an unknown key with a list", edgeBut("    networks: [{name: a}]\n    floating_ip_source: None\n")),
	project("two documents", edgeBut("")+"---\nclouds: {}\n"),
	project("a key twice", edgeBut("    region_name: CHI@Edge\n")),
	project("only cloud, not named", edgeBut("")).with("").
		because("openstacksdk takes the only cloud there is, its command does not"),
	project("another cloud named", edgeBut("")).with("OS_CLOUD=chi"),
	project("two clouds, none named", edgeBut("")+"  uc: {auth: {}}\n").with(""),
	project("another cloud is broken", edgeBut("")+"  uc: [1]\n"),
	project("clouds is a list", "clouds: [1]\n"),
	project("not YAML", "clouds: {edge: {auth: \n"),
	project("empty file", ""),

	// Which files.
	{name: "clouds.yml", files: at("project/clouds.yml", edgeBut("")), env: "OS_CLOUD=edge"},
	{name: "clouds.json", files: at("project/clouds.json", `{"clouds": {"edge": {"auth_type": "v3applicationcredential",
		"auth": {"auth_url": "$AUTH_URL", "application_credential_id": "$APPLICATION_CREDENTIAL_ID",
		"application_credential_secret": "$APPLICATION_CREDENTIAL_SECRET"}}}}`), env: "OS_CLOUD=edge"},
	{name: "in ~/.config", files: at("home/.config/openstack/clouds.yaml", edgeBut("")), env: "OS_CLOUD=edge"},
	{name: "in XDG_CONFIG_HOME", files: at("xdg/openstack/clouds.yaml", edgeBut("")),
		env: "OS_CLOUD=edge\nXDG_CONFIG_HOME=$DIR/xdg"},
	{name: "in ~/.config beside another XDG_CONFIG_HOME", files: at("home/.config/openstack/clouds.yaml", edgeBut("")),
		env: "OS_CLOUD=edge\nXDG_CONFIG_HOME=$DIR/xdg"},
	{name: "in XDG_CONFIG_DIRS", files: at("site/openstack/clouds.yaml", edgeBut("")),
		env: "OS_CLOUD=edge\nXDG_CONFIG_DIRS=$DIR/site"},
	{name: "OS_CLIENT_CONFIG_FILE", files: at("else/my.yaml", edgeBut("")),
		env: "OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE=$DIR/else/my.yaml"},
	project("OS_CLIENT_CONFIG_FILE is empty", edgeBut("")).with("OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE="),
	project("OS_CLIENT_CONFIG_FILE is not there", edgeBut("")).
		with("OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE=$DIR/none.yaml"),
	project("OS_CLIENT_CONFIG_FILE wins", edgeBut("", "edge", "uc"), "else/my.yaml", edgeBut("")).
		with("OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE=$DIR/else/my.yaml"),
	project("the project's file hides the user's", edgeBut("", "edge", "uc"), "home/.config/openstack/clouds.yaml",
		edgeBut("")),
	project("secure.yaml beside it", edgeBut("", secretLine, ""), "project/secure.yaml", secretFile),
	project("secure.yaml in ~/.config", edgeBut("", secretLine, ""), "home/.config/openstack/secure.yaml", secretFile),
	project("secure.yml", edgeBut("", secretLine, ""), "home/.config/openstack/secure.yml", secretFile),
	project("OS_CLIENT_SECURE_FILE", edgeBut("", secretLine, ""), "else/s.yaml", secretFile).
		with("OS_CLOUD=edge\nOS_CLIENT_SECURE_FILE=$DIR/else/s.yaml"),
	project("OS_CLIENT_SECURE_FILE is not there", edgeBut("", secretLine, ""), "project/secure.yaml", secretFile).
		with("OS_CLOUD=edge\nOS_CLIENT_SECURE_FILE=$DIR/else/s.yaml"),
	{name: "secure.yaml in the project, clouds.yaml by variable", files: at("else/my.yaml", edgeBut("", secretLine, ""),
		"project/secure.yaml", secretFile), env: "OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE=$DIR/else/my.yaml"},
	{name: "secure.yaml beside a file given by variable", files: at("else/my.yaml", edgeBut("", secretLine, ""),
		"else/secure.yaml", secretFile), env: "OS_CLOUD=edge\nOS_CLIENT_CONFIG_FILE=$DIR/else/my.yaml",
		differs: "chexp looks beside the clouds.yaml, too"},
	project("secure.yaml of another cloud", edgeBut("", secretLine, ""), "project/secure.yaml",
		strings.Replace(secretFile, "edge", "uc", 1)),
	project("secure.yaml wins", edgeBut("", "$APPLICATION_CREDENTIAL_SECRET", "wr0ng"), "project/secure.yaml",
		secretFile),
	project("secure.yaml wins, wrongly", edgeBut(""), "project/secure.yaml", strings.Replace(secretFile, "$APPL",
		"wr0ng$APPL", 1)),
	project("the secret beside auth in secure.yaml", edgeBut("", secretLine, ""), "project/secure.yaml",
		"clouds:\n  edge:\n    application_credential_secret: $APPLICATION_CREDENTIAL_SECRET\n"),
	project("secure.yaml without clouds", edgeBut(""), "project/secure.yaml", "cache: {}\n"),
	project("secure.yaml is empty", edgeBut(""), "project/secure.yaml", ""),
	project("secure.yaml is no YAML", edgeBut(""), "project/secure.yaml", "clouds: {edge: {auth: \n"),
	{name: "everything in secure.yaml", files: at("project/secure.yaml", edgeBut("")), env: "OS_CLOUD=edge"},
	project("the whole entry in secure.yaml", "clouds:\n  uc: {auth: {}}\n", "project/secure.yaml", edgeBut("")),

	// Regions.
	project("auth_url under regions",
		edgeBut("    regions:\n    - name: CHI@Edge\n      values: {auth: {auth_url: $AUTH_URL}}\n",
			urlLine, "", "    region_name: CHI@Edge\n", "")),
	project("auth_url under the second region",
		edgeBut("    regions:\n    - {name: CHI@UC, values: {auth: {auth_url: 'http://127.0.0.1:1/v3'}}}\n"+
			"    - {name: CHI@Edge, values: {auth: {auth_url: $AUTH_URL}}}\n", urlLine, "",
			"    region_name: CHI@Edge\n", "")).
		with("OS_CLOUD=edge\nOS_REGION_NAME=CHI@Edge"),
	project("regions by name only", edgeBut("    regions: [CHI@Edge, CHI@UC]\n", "    region_name: CHI@Edge\n", "")),
	project("a region that is not among them", edgeBut("    regions: [CHI@Edge]\n", "    region_name: CHI@Edge\n", "")).
		with("OS_CLOUD=edge\nOS_REGION_NAME=CHI@UC"),
	project("a region's own values beside auth",
		edgeBut("    regions:\n    - {name: CHI@Edge, values: {auth_url: $AUTH_URL}}\n",
			urlLine, "", "    region_name: CHI@Edge\n", "")),
	project("a region without a name", edgeBut("    regions:\n    - {values: {auth: {auth_url: $AUTH_URL}}}\n",
		urlLine, "",
		"    region_name: CHI@Edge\n", "")),
	project("a region with more keys", edgeBut("    regions:\n    - {name: CHI@Edge, auth_url: $AUTH_URL}\n",
		urlLine, "",
		"    region_name: CHI@Edge\n", "")),
	project("regions in commas", edgeBut("", "region_name: CHI@Edge", "region_name: 'CHI@Edge,CHI@UC'")),
	project("the region's name in auth_url", edgeBut("", "$AUTH_URL", "$ROOT/{identity_path}", "    auth:",
		"    identity_path: v3\n    auth:")),
	project("an unknown name in auth_url", edgeBut("", "$AUTH_URL", "$ROOT/{nothing}")),

	// The environment.
	beside{name: "openrc"}.with(openrcGood),
	beside{name: "envvars"}.with(openrcGood + "\nOS_CLOUD=envvars"),
	beside{name: "envvars without any"}.with("OS_CLOUD=envvars"),
	beside{name: "envvars by another name"}.with(openrcGood + "\nOS_CLOUD=mine\nOS_CLOUD_NAME=mine"),
	project("envvars beside a clouds.yaml", edgeBut("", "$AUTH_URL", "http://127.0.0.1:1/v3")).with(openrcGood +
		"\nOS_CLOUD=envvars"),
	project("envvars that is in clouds.yaml", edgeBut("", "edge:", "envvars:")).with("OS_CLOUD=envvars"),
	project("openrc beside a clouds.yaml with one cloud", edgeBut("", "$AUTH_URL", "http://127.0.0.1:1/v3")).
		with(openrcGood),
	beside{name: "openrc with CRLF"}.with(strings.ReplaceAll(openrcGood, "\n", "\r\n") + "\r"),
	beside{name: "openrc with a blank auth type"}.with(openrcGood + "\nOS_AUTH_TYPE=v3applicationcredential "),
	beside{name: "openrc with a slash after v3"}.with(openrcGood + "\nOS_AUTH_URL=$AUTH_URL/"),
	beside{name: "openrc without v3"}.with(openrcGood + "\nOS_AUTH_URL=$ROOT"),
	beside{name: "openrc without v3, with a slash"}.with(openrcGood + "\nOS_AUTH_URL=$ROOT/"),
	beside{name: "openrc, two slashes"}.with(openrcGood + "\nOS_AUTH_URL=$ROOT//v3"),
	beside{name: "openrc by password"}.with("\nOS_AUTH_URL=$AUTH_URL\nOS_USERNAME=$USER\n" +
		"OS_PASSWORD=$PASSWORD\nOS_USER_DOMAIN_NAME=chameleon\n" +
		"OS_PROJECT_NAME=CHI-000001\nOS_PROJECT_DOMAIN_NAME=chameleon\nOS_IDENTITY_API_VERSION=3"),
	beside{name: "openrc by password, tenant"}.with("\nOS_AUTH_URL=$AUTH_URL\nOS_USERNAME=$USER\n" +
		"OS_PASSWORD=$PASSWORD\n" +
		"OS_USER_DOMAIN_NAME=chameleon\nOS_TENANT_NAME=CHI-000001\nOS_PROJECT_DOMAIN_NAME=chameleon"),
	beside{name: "openrc by password, default domain"}.with("\nOS_AUTH_URL=$AUTH_URL\nOS_USERNAME=$USER\n" +
		"OS_PASSWORD=$PASSWORD\n" +
		"OS_PROJECT_NAME=CHI-000001\nOS_DEFAULT_DOMAIN=$DOMAIN_ID\nOS_IDENTITY_API_VERSION=3"),
	beside{name: "openrc by password, one domain"}.with("\nOS_AUTH_URL=$AUTH_URL\nOS_USERNAME=$USER\n" +
		"OS_PASSWORD=$PASSWORD\n" +
		"OS_PROJECT_NAME=CHI-000001\nOS_DOMAIN_NAME=chameleon"),
	beside{name: "openrc by password, no domain"}.with("\nOS_AUTH_URL=$AUTH_URL\nOS_USERNAME=$USER\n" +
		"OS_PASSWORD=$PASSWORD\n" +
		"OS_PROJECT_NAME=CHI-000001"),
	project("the secret from the environment", edgeBut("", secretLine, "")).
		with("OS_CLOUD=edge\nOS_APPLICATION_CREDENTIAL_SECRET=$APPLICATION_CREDENTIAL_SECRET"),
	project("the id from the environment", edgeBut("", idLine, "")).
		with("OS_CLOUD=edge\nOS_APPLICATION_CREDENTIAL_ID=$APPLICATION_CREDENTIAL_ID"),
	project("auth_url from the environment", edgeBut("", urlLine, "")).with("OS_CLOUD=edge\nOS_AUTH_URL=$AUTH_URL"),
	project("auth_type from the environment", edgeBut("", "    auth_type: v3applicationcredential\n", "")).
		with("OS_CLOUD=edge\nOS_AUTH_TYPE=v3applicationcredential"),
	project("another auth_url in the environment", edgeBut("")).
		with("OS_CLOUD=edge\nOS_AUTH_URL=http://127.0.0.1:1/v3").
		because("openstack takes the variable; chexp the file that was named, and says so"),
	project("password from the environment", passwordBut("", "      password: $PASSWORD\n", "")).
		with("OS_CLOUD=edge\nOS_PASSWORD=$PASSWORD"),
	project("project from the environment", passwordBut("", "      project_name: CHI-000001\n", "")).
		with("OS_CLOUD=edge\nOS_PROJECT_NAME=CHI-000001"),
	project("password", passwordBut("")),
	project("password, domain once", passwordBut("", "      project_domain_name: chameleon\n", "",
		"user_domain_name", "domain_name")),
	project("password, project beside auth",
		passwordBut("    project_name: CHI-000001\n    project_domain_name: chameleon\n",
			"      project_name: CHI-000001\n      project_domain_name: chameleon\n", "")),
	project("password, tenant_name", passwordBut("", "project_name", "tenant_name")),
	project("password, user_name", passwordBut("", "username", "user_name")),
	project("a password that is a number", passwordBut("", "$PASSWORD", "0123")),

	// Auth types in odd spellings.
	project("v3password", passwordBut("", "auth_type: password", "auth_type: v3password")),
	project("v3_password", passwordBut("", "auth_type: password", "auth_type: v3_password")),
	project("Password", passwordBut("", "auth_type: password", "auth_type: Password")),
	project("no auth_type, password", passwordBut("", "    auth_type: password\n", "")),
	project("auth_type is empty", passwordBut("", "auth_type: password", "auth_type:")),
	project("auth_type is empty quotes", passwordBut("", "auth_type: password", "auth_type: ''")),
	project("v3ApplicationCredential", edgeBut("", "v3app", "v3App")),
	project("v3-application-credential", edgeBut("", "v3app", "v3-app")),
	project("a blank after the type", edgeBut("", "v3applicationcredential", "'v3applicationcredential '")),
	project("blanks after the plain type", edgeBut("", "v3applicationcredential", "v3applicationcredential   ")),
	project("CRLF in the quoted type", edgeBut("", "v3applicationcredential", `"v3applicationcredential\r\n"`)),
	project("no auth_type, application credential", edgeBut("", "    auth_type: v3applicationcredential\n", "")).
		because("openstack asks for a user name; chexp sees that it is an application credential"),
	project("the type in auth", edgeBut("", "    auth_type: v3applicationcredential\n", "", urlLine, urlLine+
		"      auth_type: v3applicationcredential\n")).
		because("openstack overlooks it there"),

	// Profiles.
	project("profile in clouds-public.yaml", edgeBut("    profile: chi\n", urlLine, ""),
		"project/clouds-public.yaml", publicURL),
	project("profile in ~/.config", edgeBut("    profile: chi\n", urlLine, ""),
		"home/.config/openstack/clouds-public.yaml", publicURL),
	project("profile's auth_type", edgeBut("    profile: chi\n", urlLine, "",
		"    auth_type: v3applicationcredential\n", ""),
		"project/clouds-public.yaml", publicURL),
	project("the entry wins over its profile", edgeBut("    profile: chi\n"), "project/clouds-public.yaml",
		strings.Replace(publicURL, "$AUTH_URL", "http://127.0.0.1:1/v3", 1)),
	project("cloud for profile", edgeBut("    cloud: chi\n", urlLine, ""), "project/clouds-public.yaml", publicURL),
	project("unknown profile, auth_url here", edgeBut("    profile: nobody\n"), "project/clouds-public.yaml",
		publicURL),
	project("unknown profile, no auth_url", edgeBut("    profile: nobody\n", urlLine, "")),
	project("profile with regions", edgeBut("    profile: chi\n", urlLine, "", "    region_name: CHI@Edge\n", ""),
		"project/clouds-public.yaml",
		"public-clouds:\n  chi:\n    auth: {auth_url: $AUTH_URL}\n    regions: [CHI@Edge, CHI@UC]\n"),
	project("profile by address", edgeBut("    profile: $PROFILE\n", urlLine, "")),
	project("profile by a path at the address", edgeBut("    profile: $PROFILE/and/more\n", urlLine, "")),
	project("profile by an address that has none", edgeBut("    profile: $ROOT\n", urlLine, "")),
	project("profile by an address that answers HTML", edgeBut("    profile: $HTML\n", urlLine, "")),
	project("profile named in secure.yaml", edgeBut("", urlLine, ""), "project/secure.yaml",
		"clouds: {edge: {profile: chi}}\n",
		"project/clouds-public.yaml", publicURL),

	// Certificates.
	project("https, unknown certificate", overHTTPS("")),
	project("cacert", overHTTPS("    cacert: $CA\n")),
	project("cacert from ~", overHTTPS("    cacert: ~/ca.pem\n"), "home/ca.pem", "$CAPEM"),
	project("cacert in auth", edgeBut("", urlLine, "      auth_url: $TLS\n      cacert: $CA\n")),
	project("cacert is not there", overHTTPS("    cacert: $DIR/none.pem\n")),
	project("cacert of another", overHTTPS("    cacert: $OTHER\n")),
	project("cacert is no PEM", overHTTPS("    cacert: $DIR/project/clouds.yaml\n")),
	project("cacert is not there, http", edgeBut("    cacert: $DIR/none.pem\n")),
	project("OS_CACERT", overHTTPS("")).with("OS_CLOUD=edge\nOS_CACERT=$CA"),
	project("OS_CACERT wins", overHTTPS("    cacert: $OTHER\n")).with("OS_CLOUD=edge\nOS_CACERT=$CA"),
	project("REQUESTS_CA_BUNDLE", overHTTPS("")).with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$CA"),
	project("CURL_CA_BUNDLE", overHTTPS("")).with("OS_CLOUD=edge\nCURL_CA_BUNDLE=$CA"),
	project("REQUESTS_CA_BUNDLE is a directory without hashes", overHTTPS("")).
		with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$DIR"),
	project("REQUESTS_CA_BUNDLE is not there", overHTTPS("")).with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$DIR/none.pem"),
	project("cacert beside another REQUESTS_CA_BUNDLE", overHTTPS("    cacert: $CA\n")).
		with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$OTHER"),
	project("verify: false beside REQUESTS_CA_BUNDLE", overHTTPS("    verify: false\n")).
		with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$OTHER"),
	project("verify: true beside REQUESTS_CA_BUNDLE", overHTTPS("    verify: true\n")).
		with("OS_CLOUD=edge\nREQUESTS_CA_BUNDLE=$CA"),
	project("verify: false", overHTTPS("    verify: false\n")),
	project("verify: False", overHTTPS("    verify: False\n")),
	project("verify: no", overHTTPS("    verify: no\n")),
	project("verify: off", overHTTPS("    verify: off\n")),
	project("verify: n", overHTTPS("    verify: n\n")),
	project("verify: 0", overHTTPS("    verify: 0\n")),
	project("verify is quoted False", overHTTPS("    verify: \"False\"\n")),
	project("verify is quoted True", overHTTPS("    verify: \"True\"\n")),
	project("verify is quoted False, http", edgeBut("    verify: \"False\"\n")),
	project("verify is null", overHTTPS("    verify:\n")),
	project("verify is a bundle", overHTTPS("    verify: $CA\n")),
	project("verify is another's bundle", overHTTPS("    verify: $OTHER\n")),
	project("verify is a bundle, cacert another's", overHTTPS("    verify: $CA\n    cacert: $OTHER\n")),
	project("verify in auth", edgeBut("", urlLine, "      auth_url: $TLS\n      verify: false\n")),
	project("verify: false and cacert of another", overHTTPS("    verify: false\n    cacert: $OTHER\n")),
	project("insecure: true", overHTTPS("    insecure: true\n")),
	project("insecure: True, quoted", overHTTPS("    insecure: 'True'\n")),
	project("insecure: yes", overHTTPS("    insecure: yes\n")),
	project("insecure: quoted yes", overHTTPS("    insecure: 'yes'\n")),
	project("insecure: 1", overHTTPS("    insecure: 1\n")),
	project("insecure: false", overHTTPS("    insecure: false\n")),
	project("insecure: true and verify: true", overHTTPS("    insecure: true\n    verify: true\n")),
	project("insecure under a region", edgeBut("    regions:\n    - {name: CHI@Edge, values: {insecure: true}}\n",
		"$AUTH_URL", "$TLS",
		"    region_name: CHI@Edge\n", "")),
	beside{name: "OS_INSECURE"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_INSECURE=true\nOS_CLOUD=envvars"),
	beside{name: "OS_INSECURE without OS_CLOUD"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_INSECURE=true").
		because("openstacksdk reads it; its command only with OS_CLOUD=envvars"),
	beside{name: "OS_INSECURE=1"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_INSECURE=1\nOS_CLOUD=envvars"),
	beside{name: "OS_VERIFY=False"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_VERIFY=False\nOS_CLOUD=envvars"),
	beside{name: "OS_VERIFY is a bundle"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_VERIFY=$CA\nOS_CLOUD=envvars"),
	beside{name: "openrc with OS_CACERT"}.with(openrcGood + "\nOS_AUTH_URL=$TLS\nOS_CACERT=$CA"),
	project("OS_INSECURE beside a file", overHTTPS("")).with("OS_CLOUD=edge\nOS_INSECURE=true"),

	// What answers.
	project("HTML with 200", edgeBut("", "$AUTH_URL", "$HTML/v3")),
	project("an empty answer", edgeBut("", "$AUTH_URL", "$EMPTY/v3")),
	project("HTML with 200, by password", passwordBut("", "$AUTH_URL", "$HTML/v3")),
	project("an empty answer, by password", passwordBut("", "$AUTH_URL", "$EMPTY/v3")),
	project("an empty answer, no v3", passwordBut("", "$AUTH_URL", "$EMPTY")),
	project("HTML with 200, no v3", edgeBut("", "$AUTH_URL", "$HTML")),
	project("v2.0", edgeBut("", "$AUTH_URL", "$ROOT/v2.0")),
	project("v2.0, by password", passwordBut("", "$AUTH_URL", "$ROOT/v2.0")),
	project("https where http is spoken", edgeBut("", "$AUTH_URL", "$HTTPS")),
	project("http where https is spoken", edgeBut("", "$AUTH_URL", "$PLAIN")),
	project("nobody there", edgeBut("", "$AUTH_URL", "http://127.0.0.1:1/v3")),
	project("auth_url without http", edgeBut("", "$AUTH_URL", "127.0.0.1:5000/v3")),
	project("auth_url with blanks", edgeBut("", "$AUTH_URL", "' $AUTH_URL '")),
}
