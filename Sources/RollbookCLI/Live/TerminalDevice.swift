import Glibc

/// Standard error as a terminal: its size, and whether it is ours to draw on.
enum TerminalDevice {
    static let descriptor: Int32 = 2

    /// Columns and lines; nil when the kernel does not know, or for what is no terminal.
    static var size: (width: Int, height: Int)? {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return nil
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Whether this process is in the terminal's foreground: in the background the terminal is somebody else's.
    static var isForeground: Bool {
        let group = tcgetpgrp(descriptor)
        return group == -1 || group == getpgrp()
    }

    /// Stops this process as ^Z does where nobody catches it; returns when it was continued.
    ///
    /// Meant for the thread that takes the signal's place: the default action is put back for as long.
    static func suspend() {
        var usual = sigaction()
        var kept = sigaction()
        unsafe usual.__sigaction_handler.sa_handler = SIG_DFL
        unsafe sigemptyset(&usual.sa_mask)
        guard unsafe sigaction(SIGTSTP, &usual, &kept) == 0 else { return }
        var signals = sigset_t()
        var before = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGTSTP)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, &before)
        raise(SIGTSTP)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        _ = unsafe sigaction(SIGTSTP, &kept, nil)
    }
}
