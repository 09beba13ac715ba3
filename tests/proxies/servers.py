"""The proxies of deploy/, as the tests start them."""

from __future__ import annotations

import os

from .behind import DEPLOY, NAME, Proxy, program


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/freeim.conf;
}}
"""

#: What Debian's own apache2.conf has, as far as it is needed.
APACHE = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
DocumentRoot {folder}
{user}
{modules}
Include {folder}/freeim.conf
"""
MODULES = (
    *("mpm_event", "authz_core", "alias", "headers", "proxy", "proxy_http"),
    *("socache_shmcb", "ssl"),
)


class Nginx(Proxy):
    """nginx, with a file for its http context."""

    name, conf, package = "nginx", DEPLOY / "nginx/freeim.conf", "nginx-light"
    places = {
        "listen 80;": "listen 127.0.0.1:{plain};",
        "listen 443 ssl;": "listen 127.0.0.1:{port} ssl;",
        "/var/log/nginx/": "{folder}/",
    }

    def arguments(self):
        main = self.folder / "nginx.conf"
        main.write_text(NGINX.format(folder=self.folder))
        return ["-p", str(self.folder), "-c", str(main)]


class HAProxy(Proxy):
    """HAProxy, with the whole of its file."""

    name, conf, package = "haproxy", DEPLOY / "haproxy/haproxy.cfg", "haproxy"
    places = {
        # It insists on two open files for each.
        "maxconn 20000": "maxconn 200",
        "bind :80": "bind 127.0.0.1:{plain}",
        "bind :443": "bind 127.0.0.1:{port}",
    }

    def arguments(self):
        return ["-db", "-f", str(self.file)]


class Caddy(Proxy):
    """Caddy, with its file, and what keeps it from the ports and places of a system."""

    name, conf, package = "caddy", DEPLOY / "caddy/Caddyfile", "caddy"
    places = {
        "\n{\n": "\n{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n",
        f"\n{NAME} {{": f"\n{NAME}, 127.0.0.1 {{{{",
    }

    def arguments(self):
        return ["run", "--adapter", "caddyfile", "--config", str(self.file)]

    def environ(self):
        return {"HOME": str(self.folder)}


class Apache(Proxy):
    """Apache, with a file for a site."""

    name, conf, package = "apache2", DEPLOY / "apache/freeim.conf", "apache2-bin"
    places = {
        "<VirtualHost *:80>": "Listen 127.0.0.1:{plain}\n<VirtualHost *:{plain}>",
        "<VirtualHost *:443>": "Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>",
        "/var/log/apache2/": "{folder}/",
    }

    def arguments(self):
        main = self.folder / "apache2.conf"
        folder = "/usr/lib/apache2/modules"
        modules = [f"LoadModule {one}_module {folder}/mod_{one}.so" for one in MODULES]
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        main.write_text(
            APACHE.format(folder=self.folder, user=user, modules="\n".join(modules))
        )
        return ["-D", "FOREGROUND", "-d", str(self.folder), "-f", str(main)]


ALL = (Nginx, HAProxy, Caddy, Apache)


def missing(kind):
    """Returns why the tests with a proxy are skipped here; in CI they never are."""
    if program(kind.name) or os.environ.get("CI"):
        return ""
    return f"no {kind.name}: apt-get install {kind.package}"
