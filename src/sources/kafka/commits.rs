//! Commits: what has settled is sent off on the interval, and waited for where it is the last chance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use super::group::{Events, Group};
use super::partition::Partition;
use super::trouble;
use crate::kafka;

/// Pause between two attempts at a commit that must not be left.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

impl Group {
    /// Sends off what has settled since the last time.
    pub(super) fn commit_later(&self, consumer: &BaseConsumer<Events>) {
        let partitions = self.assigned();
        let mut list = TopicPartitionList::new();
        for it in &partitions {
            if let Some(offset) = it.due() {
                self.add(&mut list, it, offset);
                it.mark_sent(offset);
            }
            if self.keeps_ahead() {
                it.ask_ahead();
            }
        }
        if list.count() == 0 {
            return;
        }
        if let Err(code) = kafka::commit_later(consumer.client(), &list) {
            partitions.iter().for_each(|it| it.forget_sent());
            self.commit_failed(code);
        }
    }

    /// Commits what has settled, all of it, for the last time.
    pub(super) fn commit_all(&self, consumer: &BaseConsumer<Events>, bound: Duration) {
        let partitions = self.assigned();
        if !self.commit_now(consumer, &partitions, bound) {
            let partitions = partitions.len();
            tracing::warn!(partitions, "left without a last commit: what was not is read again");
        }
    }

    /// Commits what has settled of these partitions and waits for the answer; true where the
    /// broker has confirmed it.
    pub(super) fn commit_now(
        &self,
        consumer: &BaseConsumer<Events>,
        partitions: &[Arc<Partition>],
        bound: Duration,
    ) -> bool {
        let due: Vec<_> =
            partitions.iter().filter_map(|it| Some((it, it.unconfirmed()?))).collect();
        if due.is_empty() {
            return true;
        }
        let listed = || {
            let mut list = TopicPartitionList::new();
            due.iter().for_each(|(it, offset)| self.add(&mut list, it, *offset));
            list
        };
        let mut list = listed();
        let end = Instant::now() + bound;
        let is_over = |left, code| {
            left <= RETRY_PAUSE || consumer.assignment_lost() || !trouble::may_pass(code)
        };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match kafka::commit_bounded(consumer.client(), &list, left) {
                Ok(()) => {
                    due.iter().for_each(|(it, offset)| it.confirm(*offset));
                    return true;
                }
                Err(Code::OffsetMetadataTooLarge) if self.keeps_ahead() => {
                    self.commit_failed(Code::OffsetMetadataTooLarge);
                    list = listed();
                }
                Err(code) if is_over(left, code) => {
                    self.commit_failed(code);
                    return false;
                }
                Err(_) => std::thread::sleep(RETRY_PAUSE),
            }
        }
    }

    /// Puts a commit of the partition into the list, with what has settled ahead of it.
    fn add(&self, list: &mut TopicPartitionList, partition: &Partition, offset: i64) {
        let (topic, number) = (&partition.assignment.topic, partition.assignment.partition);
        // Fails only for offsets below zero, and those settle nothing.
        let added = list.add_partition_offset(topic, number, Offset::Offset(offset));
        let text = partition.send_ahead();
        if added.is_ok() && !text.is_empty() && self.keeps_ahead() {
            let element = list.elements().into_iter().next_back();
            element.into_iter().for_each(|mut element| element.set_metadata(&text));
        }
    }

    fn commit_failed(&self, code: Code) {
        if code == Code::OffsetMetadataTooLarge {
            let why = "the brokers take less beside a commit (offset.metadata.max.bytes)";
            tracing::warn!(why, "what is done ahead of commits is not kept");
            return self.give_up_ahead();
        }
        if matches!(code, Code::IllegalGeneration | Code::RebalanceInProgress) {
            let code = kafka::code_name(code);
            return tracing::info!(code, "a commit has to wait until the group has rebalanced");
        }
        let text = format!("{code}; the records since the last commit will be read again");
        if let Some(error) = trouble::judge(code, &text, "the group's offsets") {
            self.fault(&error.message, error.retriable);
        }
    }

    /// The answer to a commit that was sent off.
    pub(super) fn committed(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let failed = result.err().and_then(|it| it.rdkafka_error_code());
        let partitions = self.assigned();
        for element in offsets.elements() {
            let named = |it: &&Arc<Partition>| it.is(element.topic(), element.partition());
            let Some(partition) = partitions.iter().find(named) else { continue };
            match (failed, element.error(), element.offset()) {
                (None, Ok(()), Offset::Offset(offset)) => {
                    partition.confirm(offset);
                    // Its window may be full, and its shard asleep.
                    self.wake(partition.shard);
                }
                _ => partition.forget_sent(),
            }
        }
        let each = offsets.elements().iter().find_map(|it| it.error().err());
        if let Some(code) = failed.or(each.and_then(|it| it.rdkafka_error_code())) {
            self.commit_failed(code);
        }
    }
}
