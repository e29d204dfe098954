"""AlgoItny's declaration: seven Django tables, the three DynamoDB tables of the design, and the entities between them.

Source of the rules: the project's Django models (row side) and its DynamoDB design (item side). Where the design is
silent: times are written to the microsecond, so that they sort; e-mail addresses are keys in lower case, and attributes
as they are; an attribute of an empty column is absent, and so is a key of an index no item should be found by.
"""

from billio_pipeline.model.entity import Entity, RowSystem
from billio_pipeline.model.scalars import Boolean, IdText, IsoMicros, Json
from billio_pipeline.model.tables import DynamoTable, Gsi, Provisioned, SqlTable, Units
from billio_pipeline.model.types import Integer, Text
from billio_pipeline.model.words import PRESENT, Derived, Expires, Field, Lookup, Part, fields

_GSI = tuple(Gsi(f"GSI{n}", (f"GSI{n}PK", "S"), (f"GSI{n}SK", "S")) for n in (1, 2, 3))

MAIN = DynamoTable(
    "AlgoItny-Main",
    partition=("PK", "S"),
    sort=("SK", "S"),
    indexes=_GSI,
    capacity=Provisioned(read=Units(50, 500), write=Units(20, 200)),
    ttl="TTL",
    recovery=True,
    encryption="KMS",
)
USERS = DynamoTable(
    "AlgoItny-Users", partition=("PK", "S"), sort=("SK", "S"), indexes=_GSI, recovery=True, encryption="KMS"
)
PLANS = DynamoTable(
    "AlgoItny-Plans", partition=("PK", "S"), sort=("SK", "S"), indexes=_GSI[:1], recovery=True, encryption="KMS"
)

# Usage logs leave the table after so many days; the archive has them some days before.
KEPT_DAYS, ARCHIVED_DAYS = 90, 80
BUCKETS = 16  # partitions for the history of those who are not signed in


def _kind(name: str, pk: str, sk: str = "METADATA") -> tuple[Part, ...]:
    return fields(Derived("EntityType", name), Derived("PK", pk), Derived("SK", sk))


def _index(number: int, pk: str, sk: str, **when: object) -> tuple[Part, ...]:
    """Keys of an index, for items of which `when` holds."""
    return fields(
        Derived(f"GSI{number}PK", pk, when),  # type: ignore[arg-type]
        Derived(f"GSI{number}SK", sk, when),  # type: ignore[arg-type]
    )


_CREATED = fields(Field("CreatedAt", IsoMicros(), row="created_at"))
_UPDATED = fields(Field("UpdatedAt", IsoMicros(), row="updated_at"))
# What a problem and a job that makes its test cases have alike.
_SUBJECT = fields(
    Field("Platform", Text(), row="platform"),
    Field("ProblemId", Text(), row="problem_id"),
    Field("Title", Text(), row="title"),
    Field("ProblemUrl", Text(), row="problem_url", optional=True),
    Field("Tags", Json(), row="tags"),
    Field("SolutionCode", Text(), row="solution_code", optional=True),
    Field("Constraints", Text(), row="constraints", optional=True),
)

PLAN = Entity(
    "SubscriptionPlan",
    SqlTable("subscription_plans", key="id"),
    {"EntityType": "SubscriptionPlan"},
    fields(
        Field("PlanId", IdText(), row="id"),
        Field("Name", Text(), row="name"),
        Field("Description", Text(), row="description", optional=True),
        Field("MaxHintsPerDay", Integer(), row="max_hints_per_day"),
        Field("MaxExecutionsPerDay", Integer(), row="max_executions_per_day"),
        Field("MaxProblems", Integer(), row="max_problems"),
        Field("CanViewAllProblems", Boolean(), row="can_view_all_problems"),
        Field("CanRegisterProblems", Boolean(), row="can_register_problems"),
        Field("IsActive", Boolean(), row="is_active"),
    )
    + _CREATED
    + _UPDATED
    + _kind("SubscriptionPlan", "PLAN#{Name}")
    + _index(1, "ACTIVE#{IsActive}", "{Name}"),
    items=PLANS,
    newer_by="UpdatedAt",
)

USER = Entity(
    "User",
    SqlTable("users", key="id"),
    {"EntityType": "User"},
    fields(
        Field("UserId", IdText(), row="id"),
        Field("PasswordHash", Text(), row="password"),
        Field("LastLogin", IsoMicros(), row="last_login", optional=True),
        Field("IsSuperuser", Boolean(), row="is_superuser"),
        Field("Email", Text(), row="email"),
        Field("Name", Text(), row="name"),
        Field("Picture", Text(), row="picture", optional=True),
        Field("GoogleId", Text(), row="google_id", optional=True),
        Field("IsActive", Boolean(), row="is_active"),
        Field("IsStaff", Boolean(), row="is_staff"),
        Field("SubscriptionPlanId", IdText(), row="subscription_plan_id", optional=True),
        Lookup("plan", PLAN, by="subscription_plan_id"),
        Derived("SubscriptionPlanName", "{plan.Name}", {"plan": PRESENT}),
    )
    + _CREATED
    + _UPDATED
    + _kind("User", "USER#{Email|lower}")
    + _index(1, "GOOGLEID#{GoogleId}", "METADATA", GoogleId=PRESENT)
    + _index(2, "PLAN#{SubscriptionPlanId}", "{CreatedAt}", SubscriptionPlanId=PRESENT)
    + _index(3, "USERID#{UserId}", "METADATA"),
    items=USERS,
    newer_by="UpdatedAt",
)

PROBLEM = Entity(
    "Problem",
    SqlTable("problems", key="id"),
    {"EntityType": "Problem"},
    fields(
        Field("InternalId", IdText(), row="id"),
        Field("Language", Text(), row="language", optional=True),
        Field("IsCompleted", Boolean(), row="is_completed"),
        Field("IsDeleted", Boolean(), row="is_deleted"),
        Field("DeletedAt", IsoMicros(), row="deleted_at", optional=True),
        Field("DeletedReason", Text(), row="deleted_reason", optional=True),
        Field("Metadata", Json(), row="metadata"),
    )
    + _SUBJECT
    + _CREATED
    + fields(Derived("UpdatedAt", "{CreatedAt}"))  # the design's item has one, the table does not
    + _kind("Problem", "PROBLEM#{Platform}#{ProblemId}")
    + _index(1, "PLATFORM#{Platform}", "{CreatedAt}", IsDeleted=False)
    + _index(2, "COMPLETED#{IsCompleted}", "{CreatedAt}", IsDeleted=False)
    + _index(3, "LANGUAGE#{Language}", "{CreatedAt}", IsDeleted=False, Language=PRESENT),
    items=MAIN,
)

TEST_CASE = Entity(
    "TestCase",
    SqlTable("test_cases", key="id"),
    {"EntityType": "TestCase"},
    fields(
        Field("TestCaseId", IdText(), row="id"),
        Field("ProblemInternalId", IdText(), row="problem_id"),  # the design's item has no carrier for it
        Field("Input", Text(), row="input"),
        Field("Output", Text(), row="output"),
        Lookup("problem", PROBLEM, by="problem_id"),
    )
    + _CREATED
    + _kind("TestCase", "PROBLEM#{problem.Platform}#{problem.ProblemId}", "TESTCASE#{CreatedAt}#{TestCaseId}"),
    items=MAIN,
)

HISTORY = Entity(
    "SearchHistory",
    SqlTable("search_history", key="id"),
    {"EntityType": "SearchHistory"},
    fields(
        Field("HistoryId", IdText(), row="id"),
        Field("UserId", IdText(), row="user_id", optional=True),
        Field("UserIdentifier", Text(), row="user_identifier"),
        Field("ProblemId", IdText(), row="problem_id"),
        # As they were when it was written, on both sides: a problem renamed since keeps its old title here.
        Field("Platform", Text(), row="platform"),
        Field("ProblemNumber", Text(), row="problem_number"),
        Field("ProblemTitle", Text(), row="problem_title"),
        Field("Language", Text(), row="language", optional=True),
        Field("Code", Text(), row="code"),
        Field("ResultSummary", Json(), row="result_summary", optional=True),
        Field("PassedCount", Integer(), row="passed_count"),
        Field("FailedCount", Integer(), row="failed_count"),
        Field("TotalCount", Integer(), row="total_count"),
        Field("IsCodePublic", Boolean(), row="is_code_public"),
        Field("TestResults", Json(), row="test_results", optional=True),
        Field("Hints", Json(), row="hints", optional=True),
        Field("Metadata", Json(), row="metadata", optional=True),
        Derived("ProblemPK", "PROBLEM#{Platform}#{ProblemNumber}"),
    )
    + _CREATED
    + fields(
        Derived("EntityType", "SearchHistory"),
        Derived("PK", "USER#{UserId}", {"UserId": PRESENT}),
        Derived("PK", f"USER#anonymous#{{HistoryId|mod{BUCKETS}}}"),
        Derived("SK", "HISTORY#{CreatedAt}#{HistoryId}"),
    )
    + _index(1, "PUBLIC#true", "{CreatedAt}", IsCodePublic=True)
    + _index(2, "PLATFORM#{Platform}", "{CreatedAt}")
    + _index(3, "LANGUAGE#{Language}", "{CreatedAt}", Language=PRESENT),
    items=MAIN,
)

USAGE = Entity(
    "UsageLog",
    SqlTable("usage_logs", key="id"),
    {"EntityType": "UsageLog"},
    fields(
        Field("LogId", IdText(), row="id"),
        Field("UserId", IdText(), row="user_id", optional=True),
        Field("Action", Text(), row="action"),
        Field("ProblemId", IdText(), row="problem_id", optional=True),
        Field("Metadata", Json(), row="metadata", optional=True),
        Lookup("problem", PROBLEM, by="problem_id"),
        Derived("ProblemPK", "PROBLEM#{problem.Platform}#{problem.ProblemId}", {"problem": PRESENT}),
        Derived("TTL", f"{{CreatedAt|epoch_s|+{KEPT_DAYS}d}}", type="N"),
        Expires("created_at", days=KEPT_DAYS, archived_days=ARCHIVED_DAYS),
    )
    + _CREATED
    + fields(
        Derived("EntityType", "UsageLog"),
        Derived("PK", "USER#{UserId}", {"UserId": PRESENT}),
        Derived("PK", f"USER#anonymous#{{LogId|mod{BUCKETS}}}"),
        Derived("SK", "USAGE#{CreatedAt|date}#{Action}#{CreatedAt}#{LogId}"),
    ),
    items=MAIN,
)

JOB = Entity(
    "ScriptGenerationJob",
    SqlTable("script_generation_jobs", key="id"),
    {"EntityType": "ScriptGenerationJob"},
    fields(
        Field("JobId", IdText(), row="id"),
        Field("Language", Text(), row="language", optional=True),
        Field("JobType", Text(), row="job_type"),
        Field("Status", Text(), row="status"),
        Field("CeleryTaskId", Text(), row="celery_task_id", optional=True),
        Field("GeneratorCode", Text(), row="generator_code", optional=True),
        Field("ErrorMessage", Text(), row="error_message", optional=True),
    )
    + _SUBJECT
    + _CREATED
    + _UPDATED
    + _kind("ScriptGenerationJob", "JOB#{JobId}")
    + _index(1, "JOBTYPE#{JobType}", "{CreatedAt}")
    + _index(2, "STATUS#{Status}", "{UpdatedAt}")
    + _index(3, "TASK#{CeleryTaskId}", "METADATA", CeleryTaskId=PRESENT),
    items=MAIN,
    newer_by="UpdatedAt",
)

SYSTEM = RowSystem(
    "algoitny",
    (PROBLEM, TEST_CASE, HISTORY, USAGE, JOB, USER, PLAN),
    archived={"task_results": "the design has no home for what a task left behind"},
    added=("Counter",),  # what the application counts with
)
