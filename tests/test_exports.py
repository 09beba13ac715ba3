"""What the package promises by name."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import types
from pathlib import Path

import pytest

import freeim
from freeim import ImClient, ImHelper, NotInitializedError


#: The helper's methods as the design lists them: what may be given, what by default.
METHODS = {
    "prev_connect_server": "(client_id, client_meta_data='')",
    "prev_connect": "(client_id, client_meta_data='')",
    "send_message": "(sender_client_id, receive_client_ids, message, receipt=False)",
    "send_chan_message": "(sender_client_id, chan, message)",
    "send_broadcast_message": "(message)",
    "atomic": "()",
    "get_client_list_by_online": "()",
    "has_online": "(client_id)",
    "force_offline": "(client_id)",
    "join_chan": "(client_id, *chans)",
    "leave_chan": "(client_id, *chans)",
    "remove_from_chan": "(chan, *client_ids)",
    "get_chan_client_list": "(chan)",
    "clear_chan_client": "(chan)",
    "get_chan_list": "()",
    "get_chan_list_by_client_id": "(client_id)",
    "get_chan_online": "(chan)",
}

#: Those of the facade alone.
FACADE = {
    "initialization": "(options=None, **keywords)",
    "event_bus": "(online, offline, every_socket=False)",
    "event_group": "(name, online, offline, retries=3, lease_ttl=10.0)",
}

SOURCES = sorted(Path(freeim.__file__).parent.rglob("*.py"))

#: Modules that the application's process has no use for.
HEAVY = {"gevent", "geventwebsocket", "gunicorn", "flask", "wsproto"}


def bare(function):
    """Returns a method's parameters and defaults as a text, without annotations."""
    signature = inspect.signature(function)
    parameters = [
        one.replace(annotation=inspect.Parameter.empty)
        for one in signature.parameters.values()
        if one.name != "self"
    ]
    return str(inspect.Signature(parameters))


def public_methods(owner):
    return {name for name, _ in inspect.getmembers(owner, inspect.isroutine)} - {
        name for name in dir(owner) if name.startswith("_") or name == "mro"
    }


@pytest.mark.parametrize("name, parameters", METHODS.items())
def test_client_and_helper_take_the_same_arguments(name, parameters):
    assert bare(getattr(ImClient, name)) == parameters
    assert bare(getattr(ImHelper, name)) == parameters


@pytest.mark.parametrize("name, parameters", FACADE.items())
def test_helper_takes_the_arguments_of_the_design(name, parameters):
    assert bare(getattr(ImHelper, name)) == parameters


def test_client_and_helper_have_no_method_beside_the_design():
    assert public_methods(ImClient) == set(METHODS)
    assert public_methods(ImHelper) == set(METHODS) | set(FACADE)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_method_tells_what_it_returns_and_does(name):
    client, helper = getattr(ImClient, name), getattr(ImHelper, name)
    assert inspect.getdoc(client) and inspect.getdoc(helper)
    returns = inspect.signature(client).return_annotation
    assert inspect.signature(helper).return_annotation == returns


def test_helper_says_what_to_call_before_it_is_initialized():
    code = "from freeim import ImHelper; ImHelper.instance"
    process = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr.strip().endswith(str(NotInitializedError()))


def test_all_names_everything_public_and_nothing_else():
    public = {
        name
        for name, value in vars(freeim).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert set(freeim.__all__) == public
    assert freeim.__all__ == sorted(public)


def test_all_holds_every_error():
    found = {
        name
        for name, value in vars(freeim.errors).items()
        if inspect.isclass(value) and issubclass(value, freeim.FreeIMError)
    }
    assert found <= set(freeim.__all__)


@pytest.mark.parametrize("module", ["freeim", "freeim.imhelper", "freeim.options"])
def test_import_loads_nothing_that_only_the_relay_needs(module):
    code = f"import sys, {module}; print(*(n for n in sys.modules if '.' not in n))"
    process = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert HEAVY.isdisjoint(process.stdout.split())


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_module_has_a_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # Only the empty __init__.py of a folder has nothing to say.
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_all_of_each_module_names_what_it_defines(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined, exported = set(), []
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            defined.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {one.id for one in targets if isinstance(one, ast.Name)}
            defined |= names
            if "__all__" in names:
                exported = ast.literal_eval(node.value)
    assert set(exported) <= defined
