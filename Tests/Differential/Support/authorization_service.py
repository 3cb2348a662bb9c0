#!/usr/bin/env python3
"""A real gRPC authorization service (envoy.service.auth.v3) for the differential suite. Prints the port it listens on.

What it decides stands in the request's path; what it saw goes back as a header, so that both proxies' questions are compared.
"""
import json
import sys
import time
from concurrent import futures

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.protobuf import wrappers_pb2
from google.rpc import code_pb2, status_pb2

SHOWN = ("x-in", "content-type", "cookie", "authorization", "x-forwarded-proto", "x-envoy-auth-partial-body", ":method", ":path")


def option(key, value, append=None):
    result = base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value))
    if append is not None:
        result.append.CopyFrom(wrappers_pb2.BoolValue(value=append))
    return result


def seen(attributes):
    http = attributes.request.http
    return json.dumps({
        "method": http.method, "path": http.path, "host": http.host, "scheme": http.scheme, "protocol": http.protocol,
        "headers": {name: http.headers[name] for name in SHOWN if name in http.headers},
        "body": http.body, "raw": http.raw_body.decode("latin-1"),
        "source": attributes.source.address.socket_address.address,
        "destination": attributes.destination.address.socket_address.address,
        "extensions": dict(attributes.context_extensions),
    }, sort_keys=True)


class Service(external_auth_pb2_grpc.AuthorizationServicer):
    def Check(self, request, context):
        if not request.attributes.request.http.method:
            return self.connection(request.attributes.source.address.socket_address.address, context)
        path = request.attributes.request.http.path
        denied = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code_pb2.PERMISSION_DENIED))
        if path.startswith("/deny/plain"):
            return denied
        if path.startswith("/deny"):
            denied.denied_response.status.code = http_status_pb2.Unauthorized
            denied.denied_response.body = "who are you"
            denied.denied_response.headers.append(option("www-authenticate", "Basic"))
            return denied
        if path.startswith("/error"):
            context.abort(grpc.StatusCode.INTERNAL, "broken")
        if path.startswith("/slow"):
            time.sleep(1)
        answer = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code_pb2.OK))
        if path.startswith("/bare"):
            return answer
        metadata = dict(context.invocation_metadata())
        answer.ok_response.headers.append(option("x-seen", seen(request.attributes)))
        answer.ok_response.headers.append(option("x-metadata", metadata.get("x-metadata", "")))
        if path.startswith("/change"):
            answer.ok_response.headers.append(option("x-set", "new", False))
            answer.ok_response.headers.append(option("x-more", "new", True))
            answer.ok_response.headers_to_remove.append("x-gone")
            answer.ok_response.response_headers_to_add.append(option("x-answer", "yes"))
        return answer

    def connection(self, client, context):
        """About a connection there is nothing but addresses: the last digit decides."""
        if client.endswith("3"):
            return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code_pb2.PERMISSION_DENIED))
        if client.endswith("4"):
            context.abort(grpc.StatusCode.INTERNAL, "broken")
        if client.endswith("5"):
            time.sleep(1)
        return external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code_pb2.OK))


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Service(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()


main()
