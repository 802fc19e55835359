"""All reports, in the order in which they are listed."""

from services.points.reports import breakage, customers, journal, points, promotions, sales, tiers

REPORTS = {
    report.name: report
    for report in (
        sales.TURNOVER_REPORT,
        sales.AVERAGE_ORDER,
        customers.ACTIVE_CUSTOMERS,
        customers.RETENTION,
        customers.CHURN,
        customers.COHORTS_REPORT,
        customers.REPEAT_RATE,
        customers.INTERVALS_REPORT,
        sales.LIFETIME_VALUE,
        sales.BEST_CUSTOMERS,
        points.POINTS,
        points.LIABILITY,
        points.LIABILITY_BY_EXPIRY,
        points.BREAKAGE,
        breakage.BREAKAGE_ESTIMATE,
        journal.JOURNAL,
        promotions.CAMPAIGNS_REPORT,
        promotions.CAMPAIGN_CUSTOMERS,
        promotions.OFFER_DEPENDENCE,
        promotions.OFFER_DEPENDENCE_OF_CUSTOMERS,
        tiers.TIERS,
        tiers.TIER_MOVEMENTS,
    )
}
