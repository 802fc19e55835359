"""The programme over REST, as every service has it."""

from services.notifications.programme import faults
from services.notifications.schemas import DifferenceList, ProgrammeDraft, ProgrammeView, VersionView
from shared.programmes import Forms, programme_routes

router = programme_routes(
    Forms(
        ProgrammeDraft,
        ProgrammeView,
        VersionView,
        DifferenceList,
        faults,
        ("segment-unknown", "template-unfit", "template-unknown"),
    )
)
