import ClusterModel
import FoundationEssentials
import Glibc
import SystemPackage
import Testing

@testable import Journal

@Suite("The state folder")
struct StateDirectoryTests {
    let temporary: TemporaryFolder
    let path: FilePath

    init() throws {
        temporary = try TemporaryFolder()
        path = temporary.path.appending("state")
    }

    func setMode(_ path: FilePath, _ mode: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path.string)
    }

    /// Whether preparing and opening both refuse, with exit code 11 and a text that names `place`.
    func isRefused(_ state: FilePath, naming place: FilePath, _ words: String) -> Bool {
        func fits(_ error: JournalError?) -> Bool {
            guard let error, error.code == .security else { return false }
            return error.message.place == place.string && error.message.event.contains(words)
                && error.message.next != nil
        }
        var preparing: JournalError?
        var opening: JournalError?
        do throws(JournalError) { _ = try StateDirectory.prepare(at: state) } catch { preparing = error }
        do throws(JournalError) { _ = try StateDirectory.existing(at: state) } catch { opening = error }
        return fits(preparing) && (fits(opening) || (try? Stat(state, followTargetSymlink: false)) == nil)
    }

    @Test("missing folders are made with mode 0700, and a second time is no error")
    func prepare() throws {
        let deep = temporary.path.appending("a/b/state")
        for _ in 0..<2 { _ = try StateDirectory.prepare(at: deep) }
        for name in ["a", "a/b", "a/b/state", "a/b/state/runs", "a/b/state/locks"] {
            let status = try Stat(temporary.path.appending(name), followTargetSymlink: false)
            #expect(status.permissions.rawValue == 0o700, "\(name)")
        }
    }

    @Test("commands that only read make nothing")
    func existing() throws {
        #expect(try StateDirectory.existing(at: path) == nil)
        #expect((try? Stat(path, followTargetSymlink: false)) == nil)
        _ = try StateDirectory.prepare(at: path)
        #expect(try StateDirectory.existing(at: path)?.runs() == [])
        #expect(try StateDirectory.existing(at: path)?.existingRun(SampleRun.id) == nil)
    }

    @Test("a symbolic link is refused wherever it stands on the path")
    func symbolicLinks() throws {
        let real = temporary.path.appending("real")
        _ = try StateDirectory.prepare(at: real.appending("state"))
        let link = temporary.path.appending("link")
        try FileManager.default.createSymbolicLink(atPath: link.string, withDestinationPath: real.string)
        #expect(isRefused(link.appending("state"), naming: link, "symbolic link"))
        #expect(isRefused(link, naming: link, "symbolic link"))
        let runs = real.appending("state/runs")
        try FileManager.default.removeItem(atPath: runs.string)
        try FileManager.default.createSymbolicLink(atPath: runs.string, withDestinationPath: "/tmp")
        #expect(throws: JournalError.self) { try StateDirectory.prepare(at: real.appending("state")) }
        #expect(throws: JournalError.self) { try StateDirectory.existing(at: real.appending("state"))?.runs() }
    }

    @Test("a state folder that others may enter is refused", arguments: [0o750, 0o701, 0o770, 0o777, 0o1777])
    func looseMode(mode: Int) throws {
        _ = try StateDirectory.prepare(at: path)
        try setMode(path, mode)
        #expect(isRefused(path, naming: path, String(mode, radix: 8)))
    }

    @Test(
        "a folder above that others may write to is refused, unless it is sticky",
        arguments: [0o720, 0o702, 0o777, 0o1777]
    )
    func looseParent(mode: Int) throws {
        let parent = temporary.path.appending("parent")
        try makeFolder(parent, mode: .folder)
        try setMode(parent, mode)
        #expect(isRefused(parent.appending("state"), naming: parent, "others could exchange") == (mode != 0o1777))
    }

    @Test(
        "a folder of another user is refused wherever it stands on the path",
        .enabled(if: effectiveUser.rawValue == 0)
    )
    func foreignOwner() throws {
        let parent = temporary.path.appending("parent")
        try makeFolder(parent, mode: .folder)
        _ = try StateDirectory.prepare(at: parent.appending("state"))
        #expect(unsafe chown(parent.string, 65534, 65534) == 0)
        #expect(isRefused(parent.appending("state"), naming: parent, "belongs to user 65534"))
        #expect(isRefused(parent, naming: parent, "belongs to user 65534"))
    }

    @Test(
        "a relative path, and one with dots, is refused",
        arguments: ["state", "./state", "/tmp/../tmp/state", "/tmp/./x/.."]
    )
    func oddPaths(text: String) {
        #expect(throws: JournalError.self) { try StateDirectory.prepare(at: FilePath(text)) }
        #expect(throws: JournalError.self) { try StateDirectory.existing(at: FilePath(text)) }
    }

    @Test("a file in the way is refused")
    func fileInTheWay() throws {
        try publish([], as: "state", in: temporary.path, mode: .privateFile)
        #expect(isRefused(path, naming: path, "is not a folder"))
    }

    @Test("runs are listed oldest first, and only what is exactly a run id counts")
    func listing() throws {
        let state = try StateDirectory.prepare(at: path)
        let ids = [3, 1, 2].map { RunID(moment: UTCMoment(seconds: 1_795_000_000 + $0), random: 7) }
        for id in ids { _ = try state.makeRun(id) }
        for name in ["x", "20261120T221302Z-9F3A12C4", ".20261120T221302Z-9f3a12c4", "20261120T221302Z-9f3a12c4.bak"] {
            try makeFolder(path.appending("runs").appending(name), mode: .folder)
        }
        #expect(try state.runs() == ids.sorted())
        #expect(throws: JournalError.self) { try state.makeRun(ids[0]) }
        #expect(try state.existingRun(ids[0])?.run == ids[0])
    }

    @Test("each run remembers the end of the one before, so that a journal cut later is found")
    func chainOfRuns() throws {
        let state = try StateDirectory.prepare(at: path)
        var ids: [RunID] = []
        for index in 0..<3 {
            let id = RunID(moment: UTCMoment(seconds: Int64(1_795_000_000 + index)), random: 7)
            guard case .runBegin(let begin) = SampleRun.begin(previous: try state.witness(before: id)) else { return }
            #expect(begin.previous?.run == ids.last)
            let writer = try JournalWriter.create(
                in: try state.makeRun(id),
                plan: SampleRun.plan,
                begin: begin,
                clock: SampleRun.clock()
            )
            try writer.append(SampleRun.intent("1.a"))
            try writer.append(SampleRun.outcome("1.a"))
            ids.append(id)
        }
        let folder = state.folder(of: ids[1])
        let witnesses = try state.witnesses(of: ids[1])
        #expect(witnesses.count == 1 && JournalReader.begin(of: folder)?.previous?.run == ids[0])
        let bytes = try #require(try readFile(folder.journal, limit: 1 << 20))
        _ = try JournalReader.verify(folder, witnesses: witnesses)
        let cut = bytes[...(try #require(bytes.dropLast().lastIndex(of: newline)))]
        try Data(cut).write(to: URL(fileURLWithPath: folder.journal.string))
        _ = try JournalReader.verify(folder)
        let error = #expect(throws: JournalError.self) { try JournalReader.verify(folder, witnesses: witnesses) }
        #expect(error?.code == .integrity)
    }

    @Test("file systems without dependable locks are known from the kernel's table")
    func mountTable() {
        let table = MountTable(
            """
            22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
            36 35 0:45 /a /srv/state rw master:1 propagate_from:2 - nfs4 server:/a rw,vers=4.2
            broken line
            40 22 8:300 / /mnt rw - xfs /dev/sdb rw
            """
        )
        #expect(table.type(ofDevice: 254 << 8) == "ext4")
        #expect(table.type(ofDevice: 45) == "nfs4" && MountTable.unsuitable.contains("nfs4"))
        #expect(table.type(ofDevice: 8 << 8 | 300 & 0xFF | (300 & ~0xFF) << 12) == "xfs")
        #expect(table.type(ofDevice: 99) == nil)
    }
}

@Suite("Captured output")
struct OutputFileTests {
    let temporary: TemporaryFolder
    let folder: RunFolder

    init() throws {
        temporary = try TemporaryFolder()
        folder = try SampleRun.makeFolder(in: temporary)
        try makeFolder(folder.outputs, mode: .folder)
    }

    func make(_ stream: OutputFile.Stream = .out, limit: Int = 100) throws -> OutputFile {
        try OutputFile(in: folder, step: SampleRun.step("1.a"), attempt: 1, stream: stream, limit: limit)
    }

    @Test("what is stored is private, and is what the record says")
    func stored() throws {
        let output = try make(.err)
        output.append(Array("hello ".utf8))
        output.append(Array("world".utf8)[...])
        let record = try output.finish()
        #expect(
            record
                == OutputRecord(
                    name: "out/1.a.1.err",
                    sha256: ContentHash(of: Array("hello world".utf8)),
                    bytes: 11,
                    truncated: false
                )
        )
        let path = folder.path.appending(record.name)
        #expect(try readFile(path, limit: 100) == Array("hello world".utf8))
        #expect(try Stat(path, followTargetSymlink: false).permissions.rawValue == 0o600)
    }

    @Test(
        "more than the limit is cut, and said to be",
        arguments: [[100], [101], [60, 40], [60, 41], [99, 0, 1, 1], [0]]
    )
    func limit(pieces: [Int]) throws {
        let output = try make()
        for count in pieces { output.append([UInt8](repeating: 0x61, count: count)) }
        let total = pieces.reduce(0, +)
        let record = try output.finish()
        #expect(record.bytes == min(100, total) && record.truncated == (total > 100))
        #expect(record.sha256 == ContentHash(of: [UInt8](repeating: 0x61, count: record.bytes)))
    }

    @Test("what an earlier process stored for the same attempt is kept")
    func nextName() throws {
        let first = try make()
        first.append([1])
        #expect(try first.finish().name == "out/1.a.1.out")
        #expect(try make().finish().name == "out/1.a.1.2.out")
        #expect(try readFile(folder.outputs.appending("1.a.1.out"), limit: 9) == [1])
    }

    @Test("outputs that are missing or changed are named")
    func damaged() throws {
        try FileManager.default.removeItem(atPath: folder.outputs.string)
        let writer = try SampleRun.makeWriter(in: folder)
        try writer.append(SampleRun.intent("1.a"))
        let output = try make()
        output.append(Array("saved".utf8))
        try writer.append(SampleRun.outcome("1.a", outputs: [try output.finish()]))
        let recorded = try JournalReader.verify(folder)
        #expect(JournalReader.damagedOutputs(of: recorded) == [])
        try Data("taken".utf8).write(to: URL(fileURLWithPath: folder.outputs.appending("1.a.1.out").string))
        #expect(JournalReader.damagedOutputs(of: recorded) == ["out/1.a.1.out"])
        try removeFile(folder.outputs.appending("1.a.1.out"))
        #expect(JournalReader.damagedOutputs(of: recorded) == ["out/1.a.1.out"])
    }

    @Test("a controller's id is made once, whoever asks first, and a damaged one is refused")
    func controllerID() throws {
        let state = try StateDirectory.prepare(at: temporary.path.appending("identified"))
        #expect(try state.controllerID(orElse: 0xAB) == "00000000000000ab")
        #expect(try state.controllerID(orElse: 0xCD) == "00000000000000ab", "the first one counts")
        let file = state.path.appending("controller")
        let mode = try Stat(file, followTargetSymlink: false).permissions.rawValue
        #expect(mode == 0o400)
        let names = try FileManager.default.contentsOfDirectory(atPath: state.path.string)
        #expect(names.sorted() == ["controller", "locks", "runs"], "nothing temporary is left")
        try FileManager.default.removeItem(atPath: file.string)
        try Data("not an id\n".utf8).write(to: URL(filePath: file.string))
        #expect(throws: JournalError.self) { try state.controllerID(orElse: 1) }
    }
}
