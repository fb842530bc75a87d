//! Many callers, one call: what handlers ask for at the same time goes to the dependency together.
//!
//! While batches are under way the next one gathers, so batches grow with the load by themselves and a lone caller waits
//! for nobody.

use std::{future::Future, sync::Arc};

use tokio::sync::{Mutex, mpsc, oneshot};

use crate::ports::{Dependency, Failure, PortError};

/// Batches under way at once: while a server writes one to its journal it works on the other.
const UNDER_WAY_MAX: usize = 2;

type Question<I, O> = (I, oneshot::Sender<Result<O, PortError>>);

/// Gathers calls of one kind.
#[derive(Debug)]
pub struct Batcher<I, O> {
    questions: mpsc::Sender<Question<I, O>>,
    dependency: Dependency,
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Answers batches of at most `size_max` questions with `answer`: one answer a question, in order. Of a batch that is
    /// refused, each question is asked alone: what one user's document is refused for must not be another's fault.
    pub fn new<P, A, F>(dependency: Dependency, size_max: usize, port: Arc<P>, answer: A) -> Self
    where
        I: Clone + Sync,
        O: Sync,
        P: ?Sized + Send + Sync + 'static,
        A: Fn(Arc<P>, Arc<[I]>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<O>, PortError>> + Send,
    {
        let (questions, queue) = mpsc::channel::<Question<I, O>>(size_max);
        let (queue, answer) = (Arc::new(Mutex::new(queue)), Arc::new(answer));
        for _ in 0..UNDER_WAY_MAX {
            let (queue, port, answer) = (Arc::clone(&queue), Arc::clone(&port), Arc::clone(&answer));
            tokio::spawn(async move {
                let mut batch = Vec::with_capacity(size_max);
                while queue.lock().await.recv_many(&mut batch, size_max).await > 0 {
                    let (inputs, replies) = batch.drain(..).unzip();
                    answer_all(dependency, &port, answer.as_ref(), inputs, replies).await;
                }
            });
        }
        Self { questions, dependency }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// What the batch ended with; [`Failure::Unanswered`] when it gave no answer to this question.
    pub async fn ask(&self, question: I) -> Result<O, PortError> {
        let (reply, answer) = oneshot::channel();
        self.questions.send((question, reply)).await.map_err(|_| lost(self.dependency))?;
        answer.await.map_err(|_| lost(self.dependency))?
    }
}

/// Answers one batch.
async fn answer_all<I: Clone, O, P: ?Sized, F>(
    dependency: Dependency,
    port: &Arc<P>,
    answer: &impl Fn(Arc<P>, Arc<[I]>) -> F,
    inputs: Vec<I>,
    replies: Vec<oneshot::Sender<Result<O, PortError>>>,
) where
    F: Future<Output = Result<Vec<O>, PortError>>,
{
    let inputs: Arc<[I]> = inputs.into();
    match answer(Arc::clone(port), Arc::clone(&inputs)).await {
        Ok(outputs) => replies.into_iter().zip(outputs).for_each(|(reply, output)| {
            // Who no longer waits has been taken off its partition.
            let _gone = reply.send(Ok(output));
        }),
        Err(error) if error.kind == Failure::Refused && inputs.len() > 1 => {
            for (input, reply) in inputs.iter().zip(replies) {
                let alone = answer(Arc::clone(port), Arc::new([input.clone()])).await;
                let _gone = reply.send(alone.and_then(|outputs| first(outputs, dependency)));
            }
        }
        Err(error) => replies.into_iter().for_each(|reply| {
            let _gone = reply.send(Err(error.clone()));
        }),
    }
}

fn first<O>(outputs: Vec<O>, dependency: Dependency) -> Result<O, PortError> {
    outputs.into_iter().next().ok_or_else(|| lost(dependency))
}

fn lost(dependency: Dependency) -> PortError {
    PortError {
        kind: Failure::Unanswered,
        dependency,
        doing: "waiting for a batch".to_owned(),
        message: "it ended without an answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn questions_asked_at_once_are_answered_together_and_in_order() {
        let calls = Arc::new(AtomicUsize::new(0));
        let batcher =
            Batcher::new(Dependency::Tokens, 100, Arc::clone(&calls), |calls, inputs: Arc<[u32]>| async move {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok(inputs.iter().map(|input| input * 2).collect())
            });
        let answers = futures::future::join_all((0..50).map(|number| batcher.ask(number))).await;
        let answers: Vec<u32> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..50).map(|number| number * 2).collect::<Vec<_>>());
        assert!(calls.load(Ordering::Relaxed) < 10, "{calls:?}");
    }

    #[tokio::test]
    async fn a_short_answer_is_no_answer_for_the_rest() {
        let batcher =
            Batcher::new(Dependency::Tokens, 10, Arc::new(()), |_, _: Arc<[u32]>| async { Ok(Vec::<u32>::new()) });
        assert_eq!(batcher.ask(1).await.unwrap_err().kind, Failure::Unanswered);
    }

    #[tokio::test]
    async fn a_question_that_is_refused_fails_alone() {
        let batcher = Batcher::new(Dependency::Documents, 10, Arc::new(()), |_, inputs: Arc<[u32]>| async move {
            let refused = PortError { kind: Failure::Refused, ..lost(Dependency::Documents) };
            if inputs.contains(&3) { Err(refused) } else { Ok(inputs.to_vec()) }
        });
        let answers = futures::future::join_all((0..6).map(|number| batcher.ask(number))).await;
        let kinds: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|error| error.kind)).collect();
        assert_eq!(kinds, [Ok(0), Ok(1), Ok(2), Err(Failure::Refused), Ok(4), Ok(5)]);
    }
}
