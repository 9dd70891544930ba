"""Holds an unpacked archive against RO-Crate 1.1 with the public validator, roc-validator.

usage: crate.py FOLDER. The profile's JSON-LD context comes from the rocrate package, not from its address, so that the
check needs no network once the packages are there."""
import importlib.resources
import json
import sys

context = (importlib.resources.files("rocrate") / "data" / "ro-crate.jsonld").read_bytes()


class Answer:
    """What the context's address answers."""

    status_code, ok, content, text = 200, True, context, context.decode()
    headers, url = {"Content-Type": "application/ld+json"}, "https://w3id.org/ro/crate/1.1/context"

    def json(self):
        return json.loads(context)

    def raise_for_status(self):
        pass


def main():
    import rdflib.plugins.parsers.jsonld as parser
    import rdflib.plugins.shared.jsonld.context as contexts
    import rdflib.plugins.shared.jsonld.util as util

    real = util.source_to_json

    def source_to_json(source, *args, **kwargs):
        if isinstance(source, str) and source.startswith(Answer.url):
            return json.loads(context), None
        return real(source, *args, **kwargs)

    for module in (parser, contexts, util):
        if hasattr(module, "source_to_json"):
            module.source_to_json = source_to_json
    import rocrate_validator.utils.http as http

    http.HttpRequester.get = http.HttpRequester.head = lambda self, *args, **kwargs: Answer()
    from rocrate_validator import models, services

    result = services.validate(services.ValidationSettings(
        rocrate_uri=sys.argv[1], profile_identifier="ro-crate-1.1", requirement_severity=models.Severity.REQUIRED))
    for issue in result.get_issues():
        print(f"{issue.check.identifier}: {issue.message}", file=sys.stderr)
    return 1 if result.has_issues() else 0


sys.exit(main())
