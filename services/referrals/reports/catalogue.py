"""All reports, in the order in which they are listed."""

from services.referrals.reports import cost, friends, funnel

REPORTS = {
    report.name: report
    for report in (funnel.FUNNEL, friends.REFERRED, friends.TOP_REFERRERS, cost.COST, cost.COST_BY_CODE)
}
