//! The pace towards one service, and the only place that sleeps.
//!
//! It promises: one request at a time; after a write at least `gap` before
//! the next one; who acts goes before who reads, and both before strangers,
//! each in order of arrival. It never fails and never reorders within a lane.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::rest::present;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// An act or its read-back: first.
    Act,
    /// A reading loop: when nobody acts.
    Loop,
    /// A stranger at the door: when nobody else waits.
    Door,
}

/// Lets one caller through at a time.
#[derive(Debug, Clone)]
pub struct Pacer {
    gap: Duration,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    busy: bool,
    acts: VecDeque<oneshot::Sender<Turn>>,
    loops: VecDeque<oneshot::Sender<Turn>>,
    strangers: VecDeque<oneshot::Sender<Turn>>,
    next_write: Option<Instant>,
}

/// The right to send one request. Dropping it lets the next one through.
#[derive(Debug)]
pub struct Turn {
    /// `None` once it was taken back from somebody who gave up waiting.
    pacer: Option<Pacer>,
}

impl Pacer {
    /// Writes at least `gap` apart.
    #[must_use]
    pub fn new(gap: Duration) -> Self {
        Self { gap, queue: Arc::default() }
    }

    /// Waits for a turn to read.
    pub async fn read(&self, lane: Lane) -> Turn {
        let waiting = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.busy {
                let (give, take) = oneshot::channel();
                match lane {
                    Lane::Act => queue.acts.push_back(give),
                    Lane::Loop => queue.loops.push_back(give),
                    Lane::Door => queue.strangers.push_back(give),
                }
                Some(take)
            } else {
                queue.busy = true;
                None
            }
        };
        match waiting {
            // A sender is never dropped unsent while the pacer lives, and we
            // hold it; should it be, going on is better than stopping.
            Some(take) => match take.await {
                Ok(turn) => turn,
                Err(_) => Turn { pacer: Some(self.clone()) },
            },
            None => Turn { pacer: Some(self.clone()) },
        }
    }

    /// Waits for a turn to write: an act, `gap` after the last write.
    pub async fn write(&self) -> Turn {
        let turn = self.read(Lane::Act).await;
        if let Some(due) = self.next_write() {
            sleep_until(due).await;
        }
        turn
    }

    /// Waits for a turn to write for a stranger, and lets everybody else
    /// through while that is not due yet.
    pub async fn write_for_a_stranger(&self) -> Turn {
        loop {
            let turn = self.read(Lane::Door).await;
            match self.next_write().filter(|due| *due > present()) {
                None => return turn,
                Some(due) => {
                    drop(turn);
                    sleep_until(due).await;
                }
            }
        }
    }

    fn next_write(&self) -> Option<Instant> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).next_write
    }

    fn next(&self) {
        loop {
            let waiting = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = queue.acts.pop_front().or_else(|| queue.loops.pop_front());
                let waiting = waiting.or_else(|| queue.strangers.pop_front());
                queue.busy = waiting.is_some();
                waiting
            };
            let Some(waiting) = waiting else { return };
            match waiting.send(Turn { pacer: Some(self.clone()) }) {
                Ok(()) => return,
                // They gave up waiting; the turn that comes back must not
                // call `next` by being dropped: we go round ourselves.
                Err(mut turn) => turn.pacer = None,
            }
        }
    }
}

/// The moment before a locked object is asked for again.
pub async fn pause(wait: Duration) {
    sleep_until(present() + wait).await;
}

impl Turn {
    /// A write was sent: the next one waits `gap` from here.
    pub fn wrote(&self) {
        let Some(pacer) = &self.pacer else { return };
        pacer.queue.lock().unwrap_or_else(PoisonError::into_inner).next_write = Some(present() + pacer.gap);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(pacer) = self.pacer.take() {
            pacer.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_act_goes_before_a_loop_and_writes_keep_their_distance() {
        let pacer = Pacer::new(Duration::from_secs(1));
        let log = Arc::new(Mutex::new(Vec::new()));
        let first = pacer.read(Lane::Loop).await;
        let mut tasks = Vec::new();
        for (name, lane) in [("loop", Lane::Loop), ("act", Lane::Act), ("act 2", Lane::Act)] {
            let (pacer, log) = (pacer.clone(), Arc::clone(&log));
            tasks.push(tokio::spawn(async move {
                let _turn = pacer.read(lane).await;
                log.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        let gives_up = tokio::spawn({
            let pacer = pacer.clone();
            async move { drop(pacer.write().await) }
        });
        tokio::task::yield_now().await;
        gives_up.abort();
        tokio::task::yield_now().await;
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["act", "act 2", "loop"]);

        let begun = sleep(Duration::ZERO).deadline();
        pacer.write().await.wrote();
        pacer.write().await.wrote();
        let waited = sleep(Duration::ZERO).deadline() - begun;
        assert!(waited >= Duration::from_secs(1) && waited < Duration::from_secs(2), "{waited:?}");
    }
    #[tokio::test(start_paused = true)]
    async fn a_stranger_keeps_nobody_waiting() {
        let pacer = Pacer::new(Duration::from_secs(1));
        let log = Arc::new(Mutex::new(Vec::new()));
        pacer.write().await.wrote();
        let mut tasks = Vec::new();
        for _ in 0..2 {
            let (pacer, log) = (pacer.clone(), Arc::clone(&log));
            tasks.push(tokio::spawn(async move {
                let turn = pacer.write_for_a_stranger().await;
                turn.wrote();
                log.lock().unwrap().push("stranger");
            }));
        }
        tokio::task::yield_now().await;
        for (name, lane) in [("loop", Lane::Loop), ("act", Lane::Act)] {
            let _turn = pacer.read(lane).await;
            log.lock().unwrap().push(name);
        }
        let begun = present();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().unwrap(), ["loop", "act", "stranger", "stranger"]);
        assert!(present() - begun >= Duration::from_secs(2), "strangers' writes keep their distance, too");
    }
}
