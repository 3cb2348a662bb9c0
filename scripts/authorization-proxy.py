#!/usr/bin/env python3
"""A proxy for ../shared/bench/bench.py with as many authorization policies as asked for:

    bench.py s2in --cmd 'python3 scripts/authorization-proxy.py 100 {role} {port} {upstream} {dir} {certs}'

The policies are what AuthorizationPolicies of Istio become: in turn an exact path, a prefix, a suffix, a header, a source
address and a principal with methods; those that are not met come first, as far as names decide, and the last one lets the
harness's client in. Zero policies: no RBAC filter at all. PEER=envoy measures Envoy with the same file."""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "shared/bench"))
if os.environ.get("MARTLET_BENCH"):
    sys.path.insert(0, os.environ["MARTLET_BENCH"])
import proxies  # noqa: E402

CLIENT = "spiffe://cluster.local/ns/default/sa/client"


def any_of(kind, parts):
    return {kind: {"rules" if kind.endswith("rules") else "ids": parts}}


def policy(number):
    """One that the harness's request (GET / by `client`) does not meet."""
    def header(name, value):
        return {"header": {"name": name, "string_match": {"exact": value}}}

    principal = {"authenticated": {"principal_name": {"exact": f"spiffe://cluster.local/ns/team-{number}/sa/caller"}}}
    path = [
        {"url_path": {"path": {"exact": f"/service-{number}/list"}}}, {"url_path": {"path": {"prefix": f"/service-{number}/"}}},
        {"url_path": {"path": {"suffix": f"/export-{number}"}}},
    ][number % 3]
    operation = [any_of("or_rules", [path]), any_of("or_rules", [header(":method", "GET"), header(":method", "POST")])]
    source = [any_of("or_ids", [principal, {"authenticated": {"principal_name": {"exact": CLIENT}}}])]
    if number % 5 == 3:
        source = [any_of("or_ids", [{"direct_remote_ip": {"address_prefix": f"10.{number}.0.0", "prefix_len": 16}}])]
        operation = [{"any": True}]
    if number % 5 == 4:
        source = [any_of("or_ids", [principal])]
        operation = [any_of("or_rules", [header("x-tenant", f"tenant-{number}"), header(":method", "GET")])]
    return {"permissions": [any_of("and_rules", operation)], "principals": [any_of("and_ids", source)]}


def main():
    count, role, port, upstream, folder, certs = sys.argv[1:7]
    file = proxies.envoy_conf(role, int(port), int(upstream), folder, certs, rbac=False)
    document = json.loads(pathlib.Path(file).read_text())
    if int(count):
        manager = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        chosen = {f"ns[default]-policy[p{number:03}]-rule[0]": policy(number) for number in range(int(count) - 1)}
        chosen["ns[default]-policy[zz-last]-rule[0]"] = {
            "permissions": [any_of("and_rules", [any_of("or_rules", [{"url_path": {"path": {"prefix": "/"}}}])])],
            "principals": [any_of("and_ids", [any_of("or_ids", [{"authenticated": {"principal_name": {"exact": CLIENT}}}])])],
        }
        manager["http_filters"].insert(0, {
            "name": "envoy.filters.http.rbac",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                             "rules": {"action": "ALLOW", "policies": chosen}}})
        pathlib.Path(file).write_text(json.dumps(document))
    if os.environ.get("PEER") == "envoy":
        words = [proxies.envoy_binary(), "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    else:
        words = [proxies.martlet_binary(), "proxy", "-c", file, "--concurrency", "1"]
    os.execv(words[0], words)


if __name__ == "__main__":
    main()
