//! Jobs of Batch, Fargate and SageMaker, and people told how they ended.
