//! A member's committing side: transactions in two steps, as on a broker.
//!
//! First the positions are named to the group, which looks at member and generation and holds them undecided; then the
//! transaction ends, and nobody looks at the generation any more. Between the two the process may be stopped.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    chaos::Chaos,
    cluster::{Committed, MemoryCluster},
    group::next,
    odds::{CommitOdds, Odds},
    trip::pause,
};
use crate::ports::{Batch, CommitError, Committer, Dependency, Failure, Owned, PortError};

const DOING: &str = "commit a transaction";

/// The committing side of one consumer.
#[derive(Clone)]
pub(super) struct MemoryCommitter {
    cluster: MemoryCluster,
    group: Arc<str>,
    chaos: Chaos,
    is_busy: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Down,
    Aborted,
    Lost,
    Late,
}

/// A commit's fate with all its times, drawn before it begins.
#[derive(Clone, Copy)]
struct Plan {
    fate: Fate,
    latency: [Duration; 4],
    undecided: Duration,
    late_by: Duration,
    fails_early: bool,
}

type Answer = Result<(), CommitError>;

impl MemoryCommitter {
    pub(super) fn new(cluster: MemoryCluster, group: Arc<str>, chaos: Chaos) -> Self {
        Self { cluster, group, chaos, is_busy: Arc::default() }
    }

    async fn run(self, batch: Batch) -> Answer {
        self.chaos.running().await;
        let _busy = self.busy();
        let is_down = self.cluster.world().is_down(Dependency::Topics);
        let plan = self.chaos.draw(|rng, odds| Plan::draw(rng, odds, is_down));
        let (answer, answered) = oneshot::channel();
        let transaction = Transaction { committer: self.clone(), plan, answer: Some(answer) };
        self.cluster.world().spawn(transaction.run(batch));
        let answer = answered.await.unwrap_or_else(|_| Err(self.failed(Failure::Unanswered)));
        self.chaos.running().await;
        answer
    }

    fn failed(&self, kind: Failure) -> CommitError {
        CommitError::Failed(self.chaos.error(kind, Dependency::Topics, DOING))
    }

    fn busy(&self) -> Busy {
        if self.is_busy.swap(true, Ordering::Relaxed) {
            self.cluster.state().misuse.overlapping_commits += 1;
            self.cluster.world().note(self.chaos.name(), format_args!("MISUSE: two commits at once"));
        }
        Busy(self.is_busy.clone())
    }
}

impl Committer for MemoryCommitter {
    fn commit(&self, batch: Batch) -> Owned<Answer> {
        Box::pin(self.clone().run(batch))
    }
}

/// A commit whose caller waits.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Plan {
    fn draw(rng: &mut fastrand::Rng, odds: &Odds, is_down: bool) -> Self {
        let odds = &odds.commits;
        let luck = rng.f64();
        Self {
            fate: if is_down { Fate::Down } else { fate(luck, odds) },
            latency: std::array::from_fn(|_| odds.latency.draw(rng)),
            undecided: odds.undecided.draw(rng),
            late_by: odds.late_by.draw(rng),
            fails_early: rng.bool(),
        }
    }
}

fn fate(luck: f64, odds: &CommitOdds) -> Fate {
    let mut up_to = 0.0;
    let fates =
        [(odds.down, Fate::Down), (odds.aborted, Fate::Aborted), (odds.lost, Fate::Lost), (odds.late, Fate::Late)];
    for (probability, fate) in fates {
        up_to += probability;
        if luck < up_to {
            return fate;
        }
    }
    Fate::Committed
}

/// One transaction on its way. It goes on when nobody waits for it any more.
struct Transaction {
    committer: MemoryCommitter,
    plan: Plan,
    answer: Option<oneshot::Sender<Answer>>,
}

impl Transaction {
    async fn run(mut self, batch: Batch) {
        let [there, back, end_there, end_back] = self.plan.latency;
        pause(there).await;
        if self.plan.fate == Fate::Down {
            return self.fail(Failure::Down);
        }
        if self.plan.fate == Fate::Late {
            self.fail(Failure::Unanswered);
            pause(self.plan.late_by).await;
        }
        let id = match self.open(&batch) {
            Ok(id) => id,
            Err(error) => return self.reply(Err(error)),
        };
        pause(back).await;
        let timeout_after = self.committer.cluster.settings().transaction_timeout;
        match self.plan.fate {
            Fate::Down => {}
            Fate::Late => {
                pause(timeout_after).await;
                self.end(id, false, &batch);
            }
            Fate::Aborted | Fate::Lost => {
                if self.plan.fails_early {
                    self.fail(Failure::Unanswered);
                }
                pause(self.plan.undecided.min(timeout_after)).await;
                self.end(id, self.plan.fate == Fate::Lost, &batch);
                self.fail(Failure::Unanswered);
            }
            // A stopped process does not end its transaction, and the broker does not wait for ever.
            Fate::Committed if timeout(timeout_after, self.committer.chaos.running()).await.is_err() => {
                self.end(id, false, &batch);
                self.fail(Failure::Unanswered);
            }
            Fate::Committed => {
                pause(end_there).await;
                self.end(id, true, &batch);
                pause(end_back).await;
                self.reply(Ok(()));
            }
        }
    }

    fn reply(&mut self, answer: Answer) {
        let Some(waiting) = self.answer.take() else { return };
        let outcome = match &answer {
            Ok(()) => "committed".to_owned(),
            Err(error) => error.to_string(),
        };
        let MemoryCommitter { cluster, chaos, .. } = &self.committer;
        cluster.world().note(chaos.name(), format_args!("commit answered: {outcome}"));
        drop(waiting.send(answer));
    }

    fn fail(&mut self, kind: Failure) {
        self.reply(Err(self.committer.failed(kind)));
    }

    /// Names the positions to the group.
    fn open(&self, batch: &Batch) -> Result<u64, CommitError> {
        let MemoryCommitter { cluster, group, chaos, .. } = &self.committer;
        cluster.check_sizes(&batch.outputs, DOING)?;
        self.check_metadata(batch)?;
        let mut state = cluster.state();
        let id = next(&mut state.next_id);
        let of_group = state.groups.entry(group.clone()).or_default();
        let member = of_group.admit(batch.ownership).map_err(CommitError::NotOwner)?;
        let foreign = batch.positions.iter().find(|(partition, _)| !of_group.owns(member, partition));
        let foreign = foreign.map(|(partition, _)| partition.clone());
        of_group.offsets.open(id, batch.positions.clone());
        // A late one comes from a transaction that was given up and will be aborted: it names nothing for good.
        if let Some(partition) = foreign.filter(|_| self.plan.fate != Fate::Late) {
            state.misuse.named_foreign_partition += 1;
            let what = format_args!("MISUSE: member {member} names {partition}, which it does not own");
            cluster.world().note(chaos.name(), what);
        }
        Ok(id)
    }

    fn check_metadata(&self, batch: &Batch) -> Result<(), PortError> {
        let max = self.committer.cluster.settings().metadata_max_bytes;
        match batch.positions.iter().find(|(_, position)| position.metadata.len() > max) {
            None => Ok(()),
            Some((partition, _)) => Err(PortError {
                message: format!("the metadata of {partition} is longer than {max} bytes"),
                ..self.committer.chaos.error(Failure::Refused, Dependency::Topics, DOING)
            }),
        }
    }

    /// Ends the transaction: all of it becomes visible together, or none.
    fn end(&self, id: u64, commit: bool, batch: &Batch) {
        let MemoryCommitter { cluster, group, chaos, .. } = &self.committer;
        let at_ms = cluster.world().now_ms();
        let mut state = cluster.state();
        let mut touched = BTreeSet::new();
        for output in &batch.outputs {
            touched.insert(if commit { state.logs.put(output.clone(), at_ms) } else { state.logs.put_unseen(output) });
        }
        if cluster.settings().markers {
            for partition in &touched {
                state.logs.skip(partition);
            }
        }
        state.groups.entry(group.clone()).or_default().offsets.close(id, commit);
        let names: Vec<String> =
            batch.positions.iter().map(|(partition, position)| format!("{partition}@{}", position.offset)).collect();
        let (process, positions, outputs) = (chaos.name().to_owned(), batch.positions.clone(), batch.outputs.len());
        if commit {
            state.commits.push(Committed { at_ms, group: group.clone(), process, positions, outputs });
        }
        drop(state);
        let what = if commit { "committed" } else { "aborted" };
        cluster.world().note(chaos.name(), format_args!("{group} {what} {} outputs {outputs}", names.join(" ")));
        cluster.moved();
    }
}
