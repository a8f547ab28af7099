import ClusterModel
import FoundationEssentials
import SystemPackage
import Testing

@testable import Journal

@Suite("The lock of a cluster")
struct RunLockTests {
    let temporary: TemporaryFolder
    let path: FilePath
    let hint: LockHint

    init() throws {
        temporary = try TemporaryFolder()
        path = temporary.path.appending("cluster-prod.lock")
        let process = try #require(ProcessIdentity.current)
        hint = LockHint(
            run: SampleRun.id,
            process: process,
            program: "rollbook 0.9.0",
            runbook: "upgrade",
            since: UTCMoment(milliseconds: 1_795_212_782_000)
        )
    }

    func take() throws(JournalError) -> RunLock { try RunLock.take(path, hint: hint, what: "cluster prod") }

    /// Another process that holds the lock as `flock(1)` does, until it is killed.
    func otherHolder() throws -> Program.Running {
        try Program.start("exec 9<>\"$1\"; flock -x 9; echo held; exec sleep 60", path.string)
    }

    @Test("whoever comes second is told who holds the cluster")
    func secondIsTold() throws {
        let lock = try take()
        let error = #expect(throws: JournalError.self) { try take() }
        #expect(error?.code == .locked)
        #expect(
            error?.message.event
                == "run \(SampleRun.id) (pid \(hint.process.pid), upgrade, started \(hint.since.description.prefix(16))Z) holds cluster prod"
        )
        lock.release()
        lock.release()
        _ = try take()
    }

    @Test("the hint is canonical, private, emptied on release, and the file stays")
    func hintInFile() throws {
        let lock = try take()
        let bytes = try #require(try readFile(path, limit: 4096))
        #expect(LockHint(bytes) == hint && bytes.last == newline)
        let status = try Stat(path, followTargetSymlink: false)
        #expect(status.permissions.rawValue == 0o600)
        lock.release()
        #expect(try readFile(path, limit: 4096) == [])
        #expect(try Stat(path, followTargetSymlink: false).inode == status.inode)
    }

    @Test("a holder that is killed leaves nothing behind that could be in the way, 20 times")
    func killedHolder() throws {
        for _ in 0..<20 {
            let holder = try otherHolder()
            #expect(throws: JournalError.locked(what: "cluster prod", holder: nil)) { try take() }
            holder.kill()
            try take().release()
        }
    }

    @Test("the words of a holder that is gone are not told as if it were there")
    func staleHint() throws {
        let gone = LockHint(
            run: hint.run,
            process: ProcessIdentity(pid: hint.process.pid, startTicks: 1, boot: hint.process.boot),
            program: hint.program,
            runbook: hint.runbook,
            since: hint.since
        )
        try publish(gone.bytes, as: "cluster-prod.lock", in: temporary.path, mode: .privateFile)
        let holder = try otherHolder()
        #expect(throws: JournalError.locked(what: "cluster prod", holder: nil)) { try take() }
        holder.kill()
        #expect(hint.process.isAlive && !gone.process.isAlive)
    }

    @Test("a child that outlives us does not keep the lock")
    func childDoesNotInherit() throws {
        let lock = try take()
        let child = try Program.start("echo started; exec sleep 60")
        lock.release()
        try take().release()
        child.kill()
    }

    @Test("waiting ends with the lock, or with its deadline")
    func waiting() async throws {
        let lock = try take()
        let time = ManualTime()
        let error = await #expect(throws: JournalError.self) {
            try await RunLock.take(path, hint: hint, what: "cluster prod", waitingAtMost: .seconds(600), time: time)
        }
        #expect(error?.code == .locked)
        #expect(time.uptime >= .milliseconds(418_000) + .seconds(600))
        lock.release()
        try await RunLock.take(path, hint: hint, what: "cluster prod", waitingAtMost: .seconds(1), time: time).release()
    }

    @Test("a lock file that is a symbolic link is refused")
    func symbolicLink() throws {
        try FileManager.default.createSymbolicLink(atPath: path.string, withDestinationPath: "/etc/passwd")
        let error = #expect(throws: JournalError.self) { try take() }
        #expect(error?.code == .security)
    }
}
