"""A gRPC server with the standard health service: grpcio's, in a process of its own."""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.servers.processes import ADDRESS, LoopbackServer

TOKEN = "t0ken-word"
SERVICES = {
    "": health_pb2.HealthCheckResponse.SERVING,
    "shop.Orders": health_pb2.HealthCheckResponse.SERVING,
    "shop.Broken": health_pb2.HealthCheckResponse.NOT_SERVING,
}


class GrpcHealth(LoopbackServer):
    """Ports `plain`, `tls`, and `token`, which wants the metadata `authorization: Bearer TOKEN`.

    `shop.Orders` is serving, `shop.Broken` is not, and other services are unknown.
    """

    name = "grpc-health"
    listens = ("plain", "tls", "token")
    keeps_account = True

    def command(self) -> list[str]:
        root = Path(__file__).parents[2]
        code = f"import sys; sys.path.insert(0, {str(root)!r}); from {__name__} import serve; serve(*sys.argv[1:])"
        return [sys.executable, "-c", code, str(self.credentials.certificate_file), *map(str, self.ports.values())]


Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class _Token(grpc.ServerInterceptor):
    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        if ("authorization", f"Bearer {TOKEN}") in handler_call_details.invocation_metadata:
            return continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(_refuse)


def _refuse(_request: Any, context: grpc.ServicerContext) -> NoReturn:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")


def serve(certificate_file: str, plain: str, tls: str, token: str) -> None:
    pem = Path(certificate_file).read_bytes()
    servers = [  # which stop when they are not held
        start(f"{ADDRESS}:{plain}"),
        start(f"{ADDRESS}:{tls}", credentials=grpc.ssl_server_credentials([(pem, pem)])),
        start(f"{ADDRESS}:{token}", interceptors=[_Token()]),
    ]
    for server in servers:
        server.wait_for_termination()


def start(
    address: str, credentials: grpc.ServerCredentials | None = None, interceptors: Sequence[grpc.ServerInterceptor] = ()
) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(4), interceptors=list(interceptors))
    servicer = health.HealthServicer()
    for service, status in SERVICES.items():
        servicer.set(service, status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        server.add_insecure_port(address)
    else:
        server.add_secure_port(address, credentials)
    server.start()
    return server
