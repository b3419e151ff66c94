"""docs/api.md is complete: what the server offers is on the page, and nothing else is."""

from __future__ import annotations

import re

from fastapi import FastAPI

from tests.architecture.test_docs import ROOT

ROW = re.compile(
    r"^\| `(?P<method>[A-Z]+) (?P<path>/\S+)` \| (?P<token>[^|]+) \| (?P<about>.+) \|$", re.M
)
PAGE = ROOT / "docs" / "api.md"


def described() -> dict[tuple[str, str], str]:
    """What the table says of each address, by method and path."""
    return {(row["method"], row["path"]): row["about"] for row in ROW.finditer(PAGE.read_text())}


def offered(api: FastAPI) -> dict[tuple[str, str], set[str]]:
    """The names of each address's query parameters, by method and path."""
    return {
        (method.upper(), path): {
            item["name"] for item in operation.get("parameters", ()) if item["in"] == "query"
        }
        for path, operations in api.openapi()["paths"].items()
        for method, operation in operations.items()
    }


async def test_every_address_of_the_api_is_in_its_page_and_no_other(api: FastAPI) -> None:
    assert set(described()) == set(offered(api))


async def test_every_query_parameter_is_named_where_its_address_is(api: FastAPI) -> None:
    table = described()
    missing = {
        address: sorted(name for name in names if f"`{name}`" not in table[address])
        for address, names in offered(api).items()
    }
    assert not {address: names for address, names in missing.items() if names}


async def test_addresses_without_a_token_are_those_that_the_page_says_need_none(
    api: FastAPI,
) -> None:
    paths = api.openapi()["paths"]
    for row in ROW.finditer(PAGE.read_text()):
        security = paths[row["path"]][row["method"].lower()].get("security", [{}])
        assert ({} in security) == (row["token"] == "–"), row[0]
