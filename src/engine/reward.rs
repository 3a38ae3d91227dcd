//! R: what a child answers for a task, as a record of 32 bytes.

/// What a child answers when it has done a task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer {
    /// Rows worked on.
    pub rows: u32,
    /// The weights of the rows.
    pub weight: f32,
    /// The weighted loss summed over the rows.
    pub loss: f64,
    /// What else is summed over the rows: rows predicted rightly, or absolute errors, weighted.
    pub score: f32,
    /// Staleness, sampled once in the task: rows that others finished between this child's last pull and its push.
    pub staleness: u32,
}

/// An [`Answer`] on its way up, with whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reward {
    /// The task's number in its phase.
    pub task: u32,
    /// The child's number under its controller.
    pub child: u16,
    /// How the task ended.
    pub ending: Ending,
    /// See [`Answer::rows`].
    pub rows: u32,
    /// See [`Answer::staleness`].
    pub staleness: u32,
    /// See [`Answer::loss`].
    pub loss: f64,
    /// See [`Answer::score`].
    pub score: f32,
    /// See [`Answer::weight`].
    pub weight: f32,
}

const _: () = assert!(size_of::<Reward>() == 32, "a reward is what a ring takes");

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Ending {
    /// Done; the numbers count.
    Done,
    /// The child panicked: to be dealt again.
    Panicked,
    /// Not done and not to be dealt again: the child met an error that ended the phase, or the phase was stopped before the task
    /// was begun.
    GivenUp,
}

impl Reward {
    /// The record of a task that is done.
    pub fn done(task: u32, child: u16, answer: Answer) -> Self {
        let Answer { rows, weight, loss, score, staleness } = answer;
        Self { task, child, ending: Ending::Done, rows, staleness, loss, score, weight }
    }

    /// The record of a task that is not.
    pub fn undone(task: u32, child: u16, ending: Ending) -> Self {
        Self { ending, ..Self::done(task, child, Answer::default()) }
    }

    /// As it travels; [`Reward::from_words`] makes it of that again. The top bit of the first word is 0.
    pub fn words(&self) -> [u64; 4] {
        let two = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let whose = u32::from(self.child) | (self.ending as u32) << 16;
        [
            two(self.task, whose),
            two(self.rows, self.staleness),
            self.loss.to_bits(),
            two(self.score.to_bits(), self.weight.to_bits()),
        ]
    }

    /// The record that travelled as `words`.
    pub fn from_words(words: [u64; 4]) -> Self {
        let (low, high) = (|at: usize| words[at] as u32, |at: usize| (words[at] >> 32) as u32);
        Self {
            task: low(0),
            child: high(0) as u16,
            ending: match high(0) >> 16 {
                0 => Ending::Done,
                1 => Ending::Panicked,
                _ => Ending::GivenUp,
            },
            rows: low(1),
            staleness: high(1),
            loss: f64::from_bits(words[2]),
            score: f32::from_bits(low(3)),
            weight: f32::from_bits(high(3)),
        }
    }

    /// What the child answered.
    pub fn answer(&self) -> Answer {
        let Self { rows, weight, loss, score, staleness, .. } = *self;
        Answer { rows, weight, loss, score, staleness }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reward_arrives_as_it_was_sent() {
        let answer = Answer { rows: u32::MAX, weight: -0.5, loss: 1e300, score: f32::MAX, staleness: 7 };
        for ending in [Ending::Done, Ending::Panicked, Ending::GivenUp] {
            for (task, child) in [(0, 0), (u32::MAX, u16::MAX), (1 << 31, 1)] {
                for sent in
                    [Reward { ending, ..Reward::done(task, child, answer) }, Reward::undone(task, child, ending)]
                {
                    assert_eq!(Reward::from_words(sent.words()), sent);
                }
            }
        }
    }
}
