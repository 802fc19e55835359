"""What the API takes and answers of the programme; every model carries an example that works."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from services.notifications.programme import Programme
from shared import programmes


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class ProgrammeDraft(programmes.Draft[Programme]):
    """A programme to be published; without `valid_from` it holds from now on."""

    model_config = _example(
        programme={
            "sender": {"name": "Weinhaus am Markt", "website": "https://shop.example/"},
            "frequency_cap": {"messages": 2, "days": 7},
            "messages": {"points_digest": {"template": "points_digest", "every": "month"}},
        }
    )


class ProgrammeView(programmes.View[Programme]):
    """A published programme; the first version is valid from the beginning of time."""


class VersionView(programmes.FullVersion[Programme]):
    """A published version, and who published it when."""


class DifferenceList(BaseModel):
    """Everything that differs."""

    model_config = _example(data=[{"pointer": "/frequency_cap/messages", "before": 3, "after": 2}])

    data: list[programmes.DifferenceView]
