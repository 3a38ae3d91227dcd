//! Ctrl-C and SIGTERM: the first asks the run to stop, the second ends the process. SIGXFSZ: a file that may not grow is an
//! error like others.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag::{register, register_conditional_shutdown};

/// The exit code of a process that a second signal ended.
const INTERRUPTED: i32 = 130;

/// Whether the run was asked to stop; clones share one answer, readable from every thread.
#[derive(Clone, Debug)]
pub struct StopRequest(Arc<AtomicBool>);

/// From now on a write past the largest file that the process may have (`ulimit -f`) fails, as one to a full disk does; the
/// system would else end the process.
///
/// # Errors
/// The system's, where a handler cannot be installed.
pub fn survive_file_limits() -> io::Result<()> {
    // A handler is all it takes: what it sets nobody looks at.
    register(SIGXFSZ, Arc::default()).map(drop)
}

impl StopRequest {
    /// Listens to SIGINT and SIGTERM. The first of either makes [`requested`](Self::requested) true, the next ends the
    /// process at once with code 130.
    ///
    /// # Errors
    /// The system's, where a handler cannot be installed.
    pub fn install() -> io::Result<Self> {
        let request = Self::never();
        for signal in [SIGINT, SIGTERM] {
            // Handlers run in the order of their registration: the first signal passes the shutdown while the flag is
            // still down, and only then raises it.
            register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&request.0))?;
            register(signal, Arc::clone(&request.0))?;
        }
        Ok(request)
    }

    /// A request that no signal makes, only [`request`](Self::request).
    pub fn never() -> Self {
        Self(Arc::default())
    }

    /// Asks the run to stop.
    pub fn request(&self) {
        self.0.store(true, Relaxed);
    }

    /// True once the run was asked to stop.
    pub fn requested(&self) -> bool {
        // Nothing else is read on the strength of this flag, so it needs no order.
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::{Command, exit};

    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_request_reaches_every_clone() {
        let stop = StopRequest::never();
        let seen = stop.clone();
        assert!(!seen.requested());
        std::thread::scope(|scope| scope.spawn(|| stop.request()).join().unwrap());
        assert!(seen.requested());
    }

    /// What the processes below do: this test binary again, told by the environment which signals to send itself.
    #[test]
    fn signals_sent_to_itself() {
        let Ok(signals) = env::var("HOGBACK_TEST_SIGNALS") else { return };
        let stop = StopRequest::install().unwrap();
        assert!(!stop.requested());
        for signal in signals.split(',') {
            raise(signal.parse().unwrap()).unwrap();
            assert!(stop.requested());
        }
        exit(7);
    }

    fn code_after(signals: &[i32]) -> Option<i32> {
        let signals = signals.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let mut itself = Command::new(env::current_exe().unwrap());
        itself.args(["--exact", "sys::signal::tests::signals_sent_to_itself"]);
        itself.env("HOGBACK_TEST_SIGNALS", signals).output().unwrap().status.code()
    }

    #[test]
    fn the_first_signal_asks_and_the_second_ends_the_process() {
        assert_eq!(code_after(&[SIGINT]), Some(7));
        assert_eq!(code_after(&[SIGTERM]), Some(7));
        assert_eq!(code_after(&[SIGINT, SIGINT]), Some(INTERRUPTED));
        assert_eq!(code_after(&[SIGTERM, SIGINT]), Some(INTERRUPTED));
    }
}
