//! The names of all fields of the Amazon States Language, spelled once. (Error names are in
//! [`crate::fault::names`], choice operators with the conditions that implement them.)

/// Makes a constant of each name.
macro_rules! names {
    ($($group:literal: $($constant:ident = $name:literal,)+)+) => {
        $($(#[doc = concat!("`", $name, "`: ", $group)] pub const $constant: &str = $name;)+)+
    };
}

names! {
    "of the machine":
    START_AT = "StartAt",
    STATES = "States",
    VERSION = "Version",
    QUERY_LANGUAGE = "QueryLanguage",
    PROCESSOR_CONFIG = "ProcessorConfig",

    "of states in general":
    TYPE = "Type",
    COMMENT = "Comment",
    NEXT = "Next",
    END = "End",
    ASSIGN = "Assign",
    OUTPUT = "Output",
    ARGUMENTS = "Arguments",
    INPUT_PATH = "InputPath",
    PARAMETERS = "Parameters",
    RESULT_SELECTOR = "ResultSelector",
    RESULT_PATH = "ResultPath",
    OUTPUT_PATH = "OutputPath",
    RETRY = "Retry",
    CATCH = "Catch",
    TIMEOUT_SECONDS = "TimeoutSeconds",
    TIMEOUT_SECONDS_PATH = "TimeoutSecondsPath",

    "of Pass":
    RESULT = "Result",

    "of Task":
    RESOURCE = "Resource",
    CREDENTIALS = "Credentials",
    ROLE_ARN = "RoleArn",
    HEARTBEAT_SECONDS = "HeartbeatSeconds",
    HEARTBEAT_SECONDS_PATH = "HeartbeatSecondsPath",

    "of Choice":
    CHOICES = "Choices",
    DEFAULT = "Default",
    CONDITION = "Condition",
    VARIABLE = "Variable",

    "of Wait":
    SECONDS = "Seconds",
    SECONDS_PATH = "SecondsPath",
    TIMESTAMP = "Timestamp",
    TIMESTAMP_PATH = "TimestampPath",

    "of Fail":
    ERROR = "Error",
    ERROR_PATH = "ErrorPath",
    CAUSE = "Cause",
    CAUSE_PATH = "CausePath",

    "of Parallel":
    BRANCHES = "Branches",

    "of Map":
    ITEMS = "Items",
    ITEMS_PATH = "ItemsPath",
    ITEM_SELECTOR = "ItemSelector",
    ITEM_PROCESSOR = "ItemProcessor",
    ITERATOR = "Iterator",
    ITEM_READER = "ItemReader",
    ITEM_BATCHER = "ItemBatcher",
    RESULT_WRITER = "ResultWriter",
    LABEL = "Label",
    MAX_CONCURRENCY = "MaxConcurrency",
    MAX_CONCURRENCY_PATH = "MaxConcurrencyPath",
    TOLERATED_FAILURE_COUNT = "ToleratedFailureCount",
    TOLERATED_FAILURE_COUNT_PATH = "ToleratedFailureCountPath",
    TOLERATED_FAILURE_PERCENTAGE = "ToleratedFailurePercentage",
    TOLERATED_FAILURE_PERCENTAGE_PATH = "ToleratedFailurePercentagePath",

    "of a Map's processor":
    MODE = "Mode",
    EXECUTION_TYPE = "ExecutionType",

    "of a Map's item reader":
    READER_CONFIG = "ReaderConfig",
    INPUT_TYPE = "InputType",
    TRANSFORMATION = "Transformation",
    MANIFEST_TYPE = "ManifestType",
    CSV_HEADER_LOCATION = "CSVHeaderLocation",
    CSV_HEADERS = "CSVHeaders",
    CSV_DELIMITER = "CSVDelimiter",
    ITEMS_POINTER = "ItemsPointer",
    MAX_ITEMS = "MaxItems",
    MAX_ITEMS_PATH = "MaxItemsPath",

    "of a Map's item batcher":
    BATCH_INPUT = "BatchInput",
    MAX_ITEMS_PER_BATCH = "MaxItemsPerBatch",
    MAX_ITEMS_PER_BATCH_PATH = "MaxItemsPerBatchPath",
    MAX_INPUT_BYTES_PER_BATCH = "MaxInputBytesPerBatch",
    MAX_INPUT_BYTES_PER_BATCH_PATH = "MaxInputBytesPerBatchPath",

    "of a Map's result writer":
    WRITER_CONFIG = "WriterConfig",
    OUTPUT_TYPE = "OutputType",

    "of retriers and catchers":
    ERROR_EQUALS = "ErrorEquals",
    INTERVAL_SECONDS = "IntervalSeconds",
    MAX_ATTEMPTS = "MaxAttempts",
    BACKOFF_RATE = "BackoffRate",
    MAX_DELAY_SECONDS = "MaxDelaySeconds",
    JITTER_STRATEGY = "JitterStrategy",
}
