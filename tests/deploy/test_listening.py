"""Where a service listens: on this machine alone, unless there is a token."""

import socket

import pytest

from orchestrator.deploy import listening
from orchestrator.errors import InputError


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_alone_needs_no_token(host):
    listening.check(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "camera.example", ""])
def test_another_address_needs_one(host):
    with pytest.raises(InputError, match="lets other machines in: say a --token"):
        listening.check(host, None)
    listening.check(host, "a-long_T0ken!")


@pytest.mark.parametrize("token", ["", "two words", "tokän", "a\n"])
def test_what_a_header_cannot_hold_is_no_token(token):
    with pytest.raises(InputError, match="--token: letters, digits and signs of ASCII"):
        listening.check("localhost", token)


def test_a_port_that_is_taken_is_said():
    with listening.bound("localhost", 0) as first:
        port = first.getsockname()[1]
        assert listening.url(first) == f"http://{first.getsockname()[0]}:{port}"
        with pytest.raises(InputError, match=f"--port {port} \\(.*in use.*\\). Name another --port"):
            listening.bound("localhost", port)


@pytest.mark.parametrize(
    ("host", "port", "line"),
    [
        ("no.such.host.invalid", 0, "nothing can listen at --host no.such.host.invalid"),
        ("203.0.113.7", 0, "nothing can listen at --host 203.0.113.7"),  # of no machine
        ("localhost", 70_000, "--port 70000: from 0 to 65535"),
        ("localhost", -1, "--port -1: from 0 to 65535"),
    ],
)
def test_a_place_that_cannot_be_is_said(host, port, line):
    with pytest.raises(InputError, match=line):
        listening.bound(host, port)


def test_an_address_of_ipv6_is_in_brackets():
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        door = listening.bound("::1", 0)
    except InputError:
        pytest.skip("no IPv6 here")
    with door:
        assert listening.url(door).startswith("http://[::1]:")
