//! Ctrl-C, SIGTERM and SIGHUP.

use crate::failure::Failure;

/// Hears when somebody wants the program to stop.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Takes the signals over: from now on they stop nothing by themselves.
    ///
    /// # Errors
    /// The system would not.
    pub(crate) fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot listen for Ctrl-C: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Hears when somebody wants the program to read its files again.
pub(crate) struct Reloads {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Reloads {
    /// Takes SIGHUP over: from now on it stops nothing by itself.
    ///
    /// # Errors
    /// The system would not.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        let hangup = hangup.map_err(|error| Failure::new(format!("cannot listen for SIGHUP: {error}")))?;
        Ok(Self { hangup })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.hangup.recv().await;
    }
}

#[cfg(not(unix))]
impl Reloads {
    /// There is no such signal.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for ever.
    pub(crate) async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Takes Ctrl-C over: from now on it stops nothing by itself.
    ///
    /// # Errors
    /// None.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
