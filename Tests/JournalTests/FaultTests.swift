import ClusterModel
import FoundationEssentials
import Synchronization
import SystemPackage
import Testing

@testable import Journal

/// A journal file in memory whose n-th call of some kind fails, once or from then on, as a disk does.
final class FaultyFile: JournalFile {
    enum Fault: Sendable {
        case writeFails(Errno)
        case writeShort(Int)
        case syncFails(Errno)
    }

    struct Disk {
        var bytes: [UInt8] = []
        /// How much of `bytes` survives a power loss.
        var synced = 0
        var calls = 0
        var syncs = 0
        var faulted = false
    }

    let path = FilePath("/nowhere/journal.jsonl")
    let disk = Mutex(Disk())
    private let fault: Fault
    private let at: Int
    private let forEver: Bool

    init(_ fault: Fault, at: Int, forEver: Bool = false) {
        self.fault = fault
        self.at = at
        self.forEver = forEver
    }

    private func strikes(_ disk: inout Disk) -> Bool {
        disk.calls += 1
        let strikes = disk.calls == at || (forEver && disk.calls > at)
        if strikes { disk.faulted = true }
        return strikes
    }

    func append(_ bytes: [UInt8]) throws(Errno) -> Int {
        try disk.withLock { disk throws(Errno) in
            switch fault {
            case .writeFails(let error) where strikes(&disk): throw error
            case .writeShort(let count) where strikes(&disk):
                disk.bytes += bytes.prefix(count)
                return count
            default:
                disk.bytes += bytes
                return bytes.count
            }
        }
    }

    func syncData() throws(Errno) {
        try disk.withLock { disk throws(Errno) in
            disk.syncs += 1
            if case .syncFails(let error) = fault, strikes(&disk) { throw error }
            disk.synced = disk.bytes.count
        }
    }

    func cut(to length: Int64) throws(Errno) {
        disk.withLock { $0.bytes = Array($0.bytes.prefix(Int(length))) }
    }

    func reserve(from offset: Int64, bytes: Int64) throws(Errno) {}

    func close() {}

    func status() throws(Errno) -> JournalFileStatus {
        JournalFileStatus(device: 1, inode: 1, links: 1, size: Int64(disk.withLock { $0.bytes.count }))
    }

    func statusOfName() throws(Errno) -> JournalFileStatus { try status() }
}

@Suite("A disk that fails")
struct FaultTests {
    /// The head of the sample, and an end.
    static let events = Array(SampleRun.events.prefix(8)) + [SampleRun.end(.held, .stepFailed)]

    /// Runs the sample on `file`; returns which events were acknowledged, and the first error.
    func run(on file: FaultyFile) -> (acknowledged: [JournalEvent], error: JournalError?, later: Int) {
        let folder = RunFolder(path: "/nowhere", run: SampleRun.id)
        let writer = JournalWriter(
            file: file,
            folder: folder,
            plan: SampleRun.planID,
            chain: JournalChain(),
            offset: 0,
            clock: SampleRun.clock()
        )
        var acknowledged: [JournalEvent] = []
        var first: JournalError?
        var later = 0
        for event in FaultTests.events {
            do {
                try writer.append(event)
                acknowledged.append(event)
                if first != nil { later += 1 }
            } catch { first = first ?? error }
        }
        return (acknowledged, first, later)
    }

    @Test(
        "the n-th write or sync fails, for every n: exit code 12, nothing is acknowledged later, nothing acknowledged is lost",
        arguments: [
            FaultyFile.Fault.writeFails(.noSpace), .writeFails(.readOnlyFileSystem), .writeFails(.ioError),
            .writeShort(0),
            .writeShort(46), .syncFails(.ioError), .syncFails(.noSpace),
        ],
        [false, true]
    )
    func everyCall(fault: FaultyFile.Fault, forEver: Bool) throws {
        var number = 1
        while true {
            let file = FaultyFile(fault, at: number, forEver: forEver)
            let (acknowledged, error, later) = run(on: file)
            let disk = file.disk.withLock { $0 }
            guard disk.faulted else {
                #expect(error == nil && acknowledged == FaultTests.events)
                break
            }
            #expect(error?.code == .storage && later == 0)
            #expect(acknowledged.count == number - 1)
            // After power loss all that was acknowledged is there, and the rest is nothing, torn, or the record that failed.
            let survived = try JournalScan(Array(disk.bytes.prefix(disk.synced))).records.map(\.event)
            #expect(survived.starts(with: acknowledged) && survived.count <= acknowledged.count + 1)
            let kept = try JournalScan(disk.bytes)
            #expect(kept.torn.isEmpty && kept.records.map(\.event).starts(with: acknowledged))
            if case .syncFails = fault { #expect(disk.syncs == number, "a failed sync is not tried again") }
            number += 1
        }
        #expect(number == FaultTests.events.count + 1)
    }

    @Test("the error says what could not be recorded, why, and that nothing was sent")
    func wording() throws {
        let (_, error, _) = run(on: FaultyFile(.writeFails(.noSpace), at: 3))
        #expect(
            error?.message.description
                == "rollbook: storage: /nowhere/journal.jsonl: cannot record the intent of 1.master1.etcd.snapshot "
                + "(No space left on device). Nothing was sent for it. "
                + "Next: make room or mend the disk of /nowhere/journal.jsonl, then start again"
        )
    }

    @Test(
        "on a file system that fills up after the start every outcome can still be written",
        .enabled(if: Tmpfs.works)
    )
    func fullDisk() throws {
        let disk = try Tmpfs(kilobytes: 1024)
        let state = try StateDirectory.prepare(at: disk.path.appending("state"))
        let folder = try state.makeRun(SampleRun.id)
        let writer = try SampleRun.makeWriter(in: folder)
        disk.fill()
        for index in 1...14 {
            try writer.append(SampleRun.intent("\(index).a"))
            try writer.append(SampleRun.outcome("\(index).a", output: .string(String(repeating: "x", count: 3000))))
        }
        let output = try? OutputFile(in: folder, step: SampleRun.step("1.a"), attempt: 1, stream: .out, limit: 1 << 20)
        output?.append([UInt8](repeating: 0x61, count: 100_000))
        if let stored = try output?.finish() { #expect(stored.truncated && stored.bytes < 100_000) }
        try writer.append(SampleRun.end(.done, .done))
        #expect(try JournalReader.verify(folder).state.status == .done)
    }

    @Test("a disk that is full at the start refuses the run before its first intent", .enabled(if: Tmpfs.works))
    func fullAtStart() throws {
        let disk = try Tmpfs(kilobytes: 128)
        let state = try StateDirectory.prepare(at: disk.path.appending("state"))
        let folder = try state.makeRun(SampleRun.id)
        let error = #expect(throws: JournalError.self) { try SampleRun.makeWriter(in: folder) }
        #expect(error?.code == .storage)
        #expect(error?.message.event == "cannot reserve room for the journal (No space left on device)")
        #expect(error?.message.state == "Nothing was sent")
    }

    @Test(
        "when the reserve is used up too, the torn bytes are cut and the journal stays good",
        .enabled(if: Tmpfs.works)
    )
    func reserveUsedUp() throws {
        let disk = try Tmpfs(kilobytes: 1024)
        let state = try StateDirectory.prepare(at: disk.path.appending("state"))
        let folder = try state.makeRun(SampleRun.id)
        let writer = try SampleRun.makeWriter(in: folder)
        disk.fill()
        let long = JournalEvent.note(Note(kind: "x", detail: .string(String(repeating: "y", count: 31_000))))
        var written = 1
        let error = #expect(throws: JournalError.self) {
            while written < 100 {
                try writer.append(long)
                written += 1
            }
        }
        #expect(error?.code == .storage && written > 10)
        let recorded = try JournalReader.verify(folder)
        #expect(recorded.records.count == written && recorded.torn == nil)
        #expect(throws: JournalError.self) { try writer.append(SampleRun.intent("1.a")) }
    }
}

/// A small file system of its own, for filling; needs the right to mount.
final class Tmpfs {
    static let works = effectiveUser.rawValue == 0 && (try? Tmpfs(kilobytes: 64)) != nil

    struct CannotMount: Error {}

    private let temporary: TemporaryFolder
    var path: FilePath { temporary.path.appending("disk") }

    init(kilobytes: Int) throws {
        temporary = try TemporaryFolder()
        try makeFolder(path, mode: .folder)
        let options = "size=\(kilobytes)k,mode=0700"
        guard try Program.run("/bin/mount", "-t", "tmpfs", "-o", options, "none", path.string).code == 0 else {
            throw CannotMount()
        }
    }

    deinit { _ = try? Program.run("/bin/umount", "-l", path.string) }

    /// Leaves not a byte free.
    func fill() {
        guard let file = try? openFile(path.appending("ballast"), .writeOnly, .create, permissions: .privateFile) else {
            return
        }
        for size in [65536, 4096, 512, 1] {
            while let count = try? file.writeOnce([UInt8](repeating: 0x62, count: size)), count == size {}
        }
        try? file.close()
    }
}
