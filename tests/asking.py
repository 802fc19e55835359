"""Asking any service's API in tests: what a refusal has to look like, and which of them there are."""

import ast
import inspect
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import fetch
from shared.errors import MEDIA_TYPE


async def rows(engine: AsyncEngine, statement: str) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in await fetch(connection, statement)]


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that a request was refused, and return the problem."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert (document["code"], document["status"]) == (code, status)
    assert document["type"] == f"urn:loyalty:problem:{code}"
    assert document["detail"]
    return document


def pointers(problem: dict[str, Any]) -> set[str | None]:
    return {error.get("pointer") for error in problem["errors"]}


def refusal_codes(decisions: ModuleType) -> set[str]:
    """Return every code that the books refuse a command with, read from their source."""
    modules = [import_module(each.name) for each in iter_modules(decisions.__path__, f"{decisions.__name__}.")]
    trees = [ast.parse(inspect.getsource(module)) for module in modules]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    refused = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "refused"]
    refused += [call.args[1] for call in calls if getattr(call.func, "id", "") == "Outcome" and len(call.args) > 1]
    return {code.value for code in refused if isinstance(code, ast.Constant) and isinstance(code.value, str)}
