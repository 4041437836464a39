"""The OpenAPI document is true: whatever it allows is answered as it says, and nothing that is sent is a fault of ours."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.registry.web.conftest import BASE, House
from tests.registry.web.test_routes import ids_of

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SETTINGS = settings(
    max_examples=6, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def test_the_document_says_how_to_come_in_and_how_a_call_may_fail(house: House) -> None:
    document = house.visitor().get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert all("application/problem+json" in one["responses"]["4XX"]["content"] for one in operations)
    assert all(one.get("description") for one in operations), "every call says what it does"
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize("part", ["surgeon", "expert"])
def test_whatever_the_document_allows_is_answered_as_it_says(house: House, part: str) -> None:
    """Every operation, with what its schema allows and the ids of a real case."""
    names = ids_of(house.world)
    member = getattr(house.world.cast, part)
    client = house.program(member)
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", house.app, headers={"Host": "shanhai.test"})
    asked = set()

    schema.config.update(base_url=BASE)

    def holds(case: Any, real: bool) -> None:
        if real:
            case.path_parameters = {name: names.get(name, value) for name, value in (case.path_parameters or {}).items()}
        answer = case.call(session=client, headers={"Authorization": client.headers["Authorization"]})
        asked.add((case.operation.label, answer.status_code))
        case.validate_response(answer, checks=CHECKS)

    for found in schema.get_all_operations():
        SETTINGS(given(case=found.ok().as_strategy(), real=st.booleans())(holds))()
    assert len({label for label, _ in asked}) >= 35
    assert {200, 201, 404, 422} <= {status for _, status in asked}
