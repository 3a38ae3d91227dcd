//! What a run tells people and scripts: metrics, the progress table, the run log, the machine.

pub mod auc;
pub mod format;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod progress;
pub mod staleness;

#[cfg(test)]
mod kept {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    /// Keeps what is written where a test can read it.
    #[derive(Clone, Default)]
    pub(super) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        /// What was written so far.
        pub(super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
