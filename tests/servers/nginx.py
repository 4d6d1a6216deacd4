"""nginx: HTTP, HTTPS with HTTP/2, and HTTPS that wants a client's certificate, in TLS 1.2 alone."""

from tests.servers.credentials import PASSWORD, USER
from tests.servers.processes import ADDRESS, LoopbackServer
from tests.servers.programs import require_program

CONFIGURATION = """
daemon off;
worker_processes 1;
error_log stderr;
pid {data}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {data}/body;
    proxy_temp_path {data}/proxy;
    fastcgi_temp_path {data}/fastcgi;
    uwsgi_temp_path {data}/uwsgi;
    scgi_temp_path {data}/scgi;
    default_type text/plain;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen {address}:{plain}; listen [::1]:{plain}; include {data}/locations; }}
    server {{ listen {address}:{tls} ssl http2; include {data}/locations; }}
    server {{
        listen {address}:{mutual} ssl http2;
        ssl_client_certificate {ca};
        ssl_verify_client on;
        ssl_protocols TLSv1.2;
        include {data}/locations;
    }}
}}
"""
LOCATIONS = """
server_name localhost;
root {data}/files;
location = / {{ return 200 "hello\\n"; }}
location = /request {{ return 200 "$request $http_user_agent $ssl_client_verify\\n"; }}
location ~ ^/status/404$ {{ return 404; }}
location ~ ^/status/500$ {{ return 500; }}
location ~ ^/status/204$ {{ return 204; }}
location = /moved {{ return 302 /; }}
location = /loop {{ return 302 /loop; }}
location /private {{ auth_basic "private"; auth_basic_user_file {data}/users; try_files /hello.txt =404; }}
location /gzip {{ gzip on; gzip_min_length 1; gzip_types *; alias {data}/files/; }}
"""


class Nginx(LoopbackServer):
    """`/` says hello, `/request` what was asked; also /status/404, /moved, /loop, /private (basic) and /gzip/hello.txt.

    More files may be written to `files`.
    """

    name = "nginx"
    listens = ("plain", "tls", "mutual")

    def configure(self) -> None:
        values = {"data": self.data, "address": ADDRESS, "ca": self.credentials.ca_file, **self.ports}
        self.files = self.account.own(self.data / "files")
        self.write("files/hello.txt", "hello\n" * 100)
        self.write("users", f"{USER}:{{PLAIN}}{PASSWORD}\n")
        self.write("locations", LOCATIONS.format_map(values))
        values["certificate"] = self.credentials.certificate_file
        self.write("nginx.conf", CONFIGURATION.format_map(values))

    def command(self) -> list[str]:
        return [
            str(require_program("nginx")),
            "-e",
            "stderr",
            "-c",
            str(self.data / "nginx.conf"),
            "-p",
            str(self.data),
        ]

    def url(self, path: str = "/", scheme: str = "http", port: str = "") -> str:
        """An address of this server; `port` is plain, tls or mutual."""
        return f"{scheme}://{ADDRESS}:{self.ports[port or ('tls' if scheme == 'https' else 'plain')]}{path}"
