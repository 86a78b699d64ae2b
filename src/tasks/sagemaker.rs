//! `arn:aws:states:::sagemaker:...`: jobs, models, endpoint configurations and endpoints, with
//! SageMaker's own parameters. Inference is `aws-sdk:sagemakerruntime:invokeEndpoint`.

use super::Integration;
use super::aws::optimized::{self, Optimized};
use super::aws::{lacks, open};

pub(super) const INTEGRATION: Integration = Integration {
    takes: |resource| SAGEMAKER.takes(resource),
    lacks,
    open: |settings, place| open(settings, place, |job| Box::pin(optimized::call(job, &SAGEMAKER))),
};

pub(super) const SAGEMAKER: Optimized = Optimized {
    resource: "sagemaker",
    actions: &[
        "createTrainingJob",
        "createTransformJob",
        "createProcessingJob",
        "createHyperParameterTuningJob",
        "createLabelingJob",
        "createModel",
        "createEndpointConfig",
        "createEndpoint",
        "updateEndpoint",
    ],
    service: "sagemaker",
    prefix: "SageMaker",
    client: "AmazonSageMaker",
    ..Optimized::PLAIN
};
