"""What OpenSLO v1 documents may hold, as far as they are read: keys and shapes by its specification."""

from __future__ import annotations

from typing import Final

from twinstorm.scenarios.language.fields import PROSE, Key, Listing, Named, Raw, Single, Table, Word, words

_ANY_NAME = Single("a name", str, "connected")
_ANYTHING = Raw("anything")

METADATA: Final = Table(
    "the metadata of a document",
    (
        Key("name", _ANY_NAME, "what it is called", required=True),
        Key("displayName", PROSE, "for people"),
        Key("labels", _ANYTHING, "for people"),
        Key(
            "annotations", Named("a mapping of annotations", _ANYTHING, name_of=Single("a key", str, "a")), "for tools"
        ),
    ),
)

KINDS: Final = ("SLO", "SLI", "AlertPolicy", "AlertCondition")
"""Documents that are read."""
UNREAD: Final = ("Service", "DataSource", "AlertNotificationTarget")

DOCUMENT: Final = Table(
    "an OpenSLO document",
    (
        Key("apiVersion", words("version of OpenSLO", "openslo/v1"), "`openslo/v1`", required=True),
        Key("kind", Word("kind of document", lambda: (*KINDS, *UNREAD)), "`SLO`, `SLI`, ...", required=True),
        Key("metadata", METADATA, "its name", required=True),
        Key("spec", _ANYTHING, "what it says", required=True),
    ),
)


# --- indicators -------------------------------------------------------------------------------------------------------

SOURCE_SPEC: Final = Table(
    "the spec of a metric source of twinstorm",
    (
        Key("sli", _ANYTHING, "what is measured", required=True),
        Key("counts", words("count", "good", "bad", "total"), "which of its counts", required=True),
        Key("within", _ANYTHING, "the time that its SLI allows for"),
        Key("of", _ANYTHING, "which devices"),
    ),
)

_METRIC: Final = Table(
    "a metric",
    (
        Key(
            "metricSource",
            Table(
                "a metric source",
                (
                    Key("metricSourceRef", PROSE, "name of a DataSource"),
                    Key("type", PROSE, "`twinstorm`"),
                    Key("spec", _ANYTHING, "`sli`, `counts`, `within`, `of`", required=True),
                ),
            ),
            "where it comes from",
            required=True,
        ),
    ),
)

INDICATOR_SPEC: Final = Table(
    "the spec of an indicator",
    (
        Key("description", PROSE, "for people"),
        Key("thresholdMetric", _ANYTHING, "a metric that is compared with a value"),
        Key(
            "ratioMetric",
            Table(
                "a ratio",
                (
                    Key("counter", words("yes or no", "true", "false"), "whether the metrics only grow"),
                    Key("good", _METRIC, "what counts as good"),
                    Key("bad", _METRIC, "what counts as bad"),
                    Key("total", _METRIC, "what counts"),
                    Key("rawType", _ANYTHING, "of `raw`"),
                    Key("raw", _ANYTHING, "a ratio that is a metric"),
                ),
            ),
            "good or bad of total",
        ),
    ),
)


def _inline(what: str, spec: Table) -> tuple[Key, ...]:
    """Keys of a document that stands within another one."""
    return (
        Key("apiVersion", PROSE, "of OpenSLO"),
        Key("kind", words("kind of document", what), "what it is"),
        Key("metadata", METADATA, "its name"),
        Key("spec", spec, "what it says"),
    )


# --- alerts -----------------------------------------------------------------------------------------------------------

CONDITION_SPEC: Final = Table(
    "the spec of an alert condition",
    (
        Key("description", PROSE, "for people"),
        Key("severity", _ANYTHING, "`page` or `ticket`", required=True),
        Key(
            "condition",
            Table(
                "a condition",
                (
                    Key("kind", words("kind of condition", "burnrate"), "`burnrate`"),
                    Key("op", words("comparison", "gt", "gte"), "`gt`: an alert is a burn over its threshold"),
                    Key("threshold", _ANYTHING, "of the burn", required=True),
                    Key("lookbackWindow", _ANYTHING, "the long window", required=True),
                    Key("alertAfter", PROSE, "how long it must last"),
                ),
            ),
            "when it is an alert",
            required=True,
        ),
    ),
)

POLICY_SPEC: Final = Table(
    "the spec of an alert policy",
    (
        Key("description", PROSE, "for people"),
        Key("alertWhenNoData", words("yes or no", "true", "false"), "an alert without data"),
        Key("alertWhenResolved", words("yes or no", "true", "false"), "an alert when it is over"),
        Key("alertWhenBreaching", words("yes or no", "true", "false"), "an alert when it holds"),
        Key(
            "conditions",
            Listing(
                "a list of conditions",
                Table(
                    "a condition or a reference to one",
                    (*_inline("AlertCondition", CONDITION_SPEC), Key("conditionRef", PROSE, "name of one")),
                ),
                most=1,
            ),
            "just one",
            required=True,
        ),
        Key("notificationTargets", _ANYTHING, "who is told"),
    ),
)


# --- objectives -------------------------------------------------------------------------------------------------------

SLO_SPEC: Final = Table(
    "the spec of an SLO",
    (
        Key("description", PROSE, "for people"),
        Key("service", PROSE, "whose it is"),
        Key("indicator", Table("an indicator", _inline("SLI", INDICATOR_SPEC)), "what is measured"),
        Key("indicatorRef", PROSE, "name of an SLI"),
        Key(
            "timeWindow",
            Listing(
                "a list of one time window",
                Table(
                    "a time window",
                    (
                        Key("duration", _ANYTHING, "how long", required=True),
                        Key("isRolling", words("yes or no", "true", "false"), "it moves with time"),
                        Key("calendar", _ANYTHING, "where it begins"),
                    ),
                ),
                most=1,
            ),
            "the time that the budget is for",
        ),
        Key(
            "budgetingMethod",
            Word("budgeting method", lambda: ("Occurrences",), ("Timeslices", "RatioTimeslices")),
            "`Occurrences`: counts",
            required=True,
        ),
        Key(
            "objectives",
            Listing(
                "a list of objectives",
                Table(
                    "an objective",
                    (
                        Key("displayName", PROSE, "for people"),
                        Key("op", _ANYTHING, "of a thresholdMetric"),
                        Key("value", _ANYTHING, "of a thresholdMetric"),
                        Key("target", _ANYTHING, "the bound, 0 .. 1"),
                        Key("targetPercent", _ANYTHING, "the bound, 0 .. 100"),
                        Key("timeSliceTarget", _ANYTHING, "of time slices"),
                        Key("timeSliceWindow", _ANYTHING, "of time slices"),
                        Key("indicator", _ANYTHING, "of a composite SLO"),
                        Key("indicatorRef", _ANYTHING, "of a composite SLO"),
                        Key("compositeWeight", _ANYTHING, "of a composite SLO"),
                    ),
                ),
            ),
            "its targets",
            required=True,
        ),
        Key(
            "alertPolicies",
            Listing(
                "a list of alert policies",
                Table(
                    "an alert policy or a reference to one",
                    (*_inline("AlertPolicy", POLICY_SPEC), Key("alertPolicyRef", PROSE, "name of one")),
                ),
            ),
            "when its burn is an alert",
        ),
    ),
)
