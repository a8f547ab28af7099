package import ClusterModel
import Synchronization
package import SystemPackage

/// The lock of one cluster on this controller, held while the value lives and until `release`.
///
/// It is `flock(2)` on a file that is never removed, so the kernel frees it however the process ends, and there is
/// nothing to clean up or to force. The descriptor is not inherited by children.
package final class RunLock: Sendable {
    private let path: FilePath
    private let descriptor: Mutex<FileDescriptor?>

    private init(path: FilePath, descriptor: FileDescriptor) {
        self.path = path
        self.descriptor = Mutex(descriptor)
    }

    deinit { release() }

    /// Takes the lock at `path` at once, or throws `locked` with what the holder says about itself.
    ///
    /// `what` is what is locked, in words: `cluster prod`.
    package static func take(_ path: FilePath, hint: LockHint, what: String) throws(JournalError) -> RunLock {
        let attempt: Attempt
        do throws(Errno) { attempt = try tryTake(path, hint: hint) } catch {
            throw .writing(path, "take the lock of \(what)", error, state: "Nothing was sent")
        }
        switch attempt {
        case .taken(let lock): return lock
        case .busy(let holder): throw .locked(what: what, holder: holder?.spoken)
        }
    }

    /// Takes the lock, waiting for it for at most `limit`; cancelling the task ends the waiting.
    package static func take(
        _ path: FilePath,
        hint: LockHint,
        what: String,
        waitingAtMost limit: Duration,
        time: any TimeSource
    ) async throws -> RunLock {
        let start = time.uptime
        while true {
            let busy: JournalError
            do throws(JournalError) { return try take(path, hint: hint, what: what) } catch { busy = error }
            let left = limit - (time.uptime - start)
            guard busy.code == .locked, left > .zero else { throw busy }
            try await time.sleep(for: min(left, .milliseconds(250)))
        }
    }

    /// Gives the lock back; a second call does nothing.
    package func release() {
        let file = descriptor.withLock { held in
            let file = held
            held = nil
            return file
        }
        guard let file else { return }
        try? file.cut(to: 0)
        file.discard()
    }

    private enum Attempt {
        case taken(RunLock)
        case busy(LockHint?)
    }

    private static func tryTake(_ path: FilePath, hint: LockHint) throws(Errno) -> Attempt {
        while true {
            let file = try openFile(path, .readWrite, .create, permissions: .privateFile)
            do throws(Errno) {
                guard try file.lockExclusively() else {
                    let holder = LockHint(try file.readAll(limit: 4096))
                    file.discard()
                    // A hint outlives a holder that was killed, until the next one writes its own.
                    return .busy(holder.flatMap { $0.process.isAlive ? $0 : nil })
                }
                // If someone removed the file between opening and locking, this lock would guard nothing.
                let held = try file.status()
                let named = try? Stat(path, followTargetSymlink: false)
                guard let named, (held.deviceID, held.inode) == (named.deviceID, named.inode) else {
                    file.discard()
                    continue
                }
                try file.setMode(.privateFile)
                try file.cut(to: 0)
                try file.writeWhole(hint.bytes)
                return .taken(RunLock(path: path, descriptor: file))
            } catch {
                file.discard()
                throw error
            }
        }
    }
}
