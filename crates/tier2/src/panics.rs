//! No panic leaves tier 2: its callers are C functions and handlers that hold nothing to unwind through.

/// Ends the process if it is dropped by a panic. (It is also dropped when a thread ends by `pthread_exit`, which unwinds but is no
/// panic, and may pass.)
#[derive(Debug)]
pub struct NoPanic;

impl Drop for NoPanic {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The message has been printed already.
            std::process::abort();
        }
    }
}
