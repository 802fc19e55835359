"""The programme over REST, as every service has it."""

from services.referrals.programme import faults
from services.referrals.schemas import DifferenceList, ProgrammeDraft, ProgrammeView, VersionView
from shared.programmes import Forms, programme_routes

router = programme_routes(Forms(ProgrammeDraft, ProgrammeView, VersionView, DifferenceList, faults))
