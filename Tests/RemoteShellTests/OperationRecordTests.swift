import ClusterModel
import Foundation
import RemoteShell
import Testing
import TestSupport

@Suite("Operation record")
struct OperationRecordTests {
    private let folder: String
    private let connection: FramedConnection

    init() throws {
        folder = NSTemporaryDirectory() + "rollbook-operation-" + randomNonce()
        let host = try #require(HostName("here"))
        connection = FramedConnection(LocalTransport(host: host, folder: folder), become: .no)
    }

    private func record(_ id: String, _ command: RemoteCommand, digest: String = "d", epoch: Int = 1) -> OperationRecord
    {
        OperationRecord(id: id, epoch: epoch, command: command, commandDigest: digest)
    }

    private func state(_ command: RemoteCommand) async throws -> OperationRecord.State? {
        OperationRecord.state(from: try await connection.run(command).output.bytes)
    }

    @Test("counts that no output can have are no answer", arguments: ["-1 4", "4 -1", "9223372036854775807 1", "3 1"])
    func impossibleCounts(_ counts: String) {
        #expect(OperationRecord.state(from: Array("done 0 \(counts)\nabc".utf8)) == nil)
    }

    @Test("sent many times at once, a command runs once and everyone learns its result")
    func once() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let effects = folder + "-effects"
        defer { try? FileManager.default.removeItem(atPath: effects) }
        let command = RemoteCommand("echo run >>\"$1\"; sleep 0.2; echo out; echo err >&2; exit 5", [effects])
        let operation = record("r.1.a.1", command)
        let states = try await withThrowingTaskGroup(of: OperationRecord.State?.self) { group in
            for _ in 0..<12 { group.addTask { try await state(operation.start(patience: 20)) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let expected = OperationRecord.State.done(
            exitCode: 5,
            output: Array("out\n".utf8),
            errorOutput: Array("err\n".utf8)
        )
        #expect(states == Array(repeating: expected, count: 12))
        #expect(try String(contentsOfFile: effects, encoding: .utf8) == "run\n")
        #expect(try await state(operation.look()) == expected)
        _ = try await connection.run(OperationRecord.removal(ofAll: "r.1.a"))
        #expect(try await state(operation.look()) == .absent)
    }

    @Test("a long command is left running and attached to later")
    func attach() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let gate = folder + "-gate"
        let operation = record("r.1.b.1", RemoteCommand("until [ -e \"$1\" ]; do sleep 0.02; done", [gate]))
        #expect(try await state(operation.start(patience: 0)) == .running(said: ""))
        #expect(try await state(operation.look()) == .running(said: ""))
        _ = FileManager.default.createFile(atPath: gate, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: gate) }
        #expect(try await state(operation.start(patience: 20)) == .done(exitCode: 0, output: [], errorOutput: []))
    }

    @Test("while it runs, the last line that it wrote is told, or what it says apart from that")
    func says() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let gates = (0..<3).map { folder + "-gate-\($0)" }
        defer { for gate in gates { try? FileManager.default.removeItem(atPath: gate) } }
        let script: StaticString = """
            wait() { until [ -e "$1" ]; do sleep 0.02; done; }
            echo first; echo second; echo >>"$1.reached"; wait "$1"
            echo third >&2; echo >>"$2.reached"; wait "$2"
            echo apart >"$ROLLBOOK_OPERATION/said"; echo fourth; echo >>"$3.reached"; wait "$3"
            """
        let operation = record("r.1.b.2", RemoteCommand(script, gates))
        defer { for gate in gates { try? FileManager.default.removeItem(atPath: gate + ".reached") } }
        _ = try await state(operation.start(patience: 0))
        for (gate, said) in zip(gates, ["second", "third", "apart"]) {
            while !FileManager.default.fileExists(atPath: gate + ".reached") { await Task.yield() }
            #expect(try await state(operation.look()) == .running(said: said))
            _ = FileManager.default.createFile(atPath: gate, contents: nil)
        }
        let end = try await state(operation.start(patience: 20))
        #expect(
            end
                == .done(exitCode: 0, output: Array("first\nsecond\nfourth\n".utf8), errorOutput: Array("third\n".utf8))
        )
    }

    @Test("another command under the same id is a conflict and does not run")
    func conflict() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await state(record("r.1.c.1", RemoteCommand("true")).start(patience: 20))
        let effect = folder + "-must-not-exist"
        let other = record("r.1.c.1", RemoteCommand("touch \"$1\"", [effect]), digest: "other")
        #expect(try await state(other.start(patience: 20)) == .conflict)
        #expect(!FileManager.default.fileExists(atPath: effect))
    }

    @Test("a lower epoch than the host's is fenced off and does not run")
    func fenced() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try "8\n".write(toFile: folder + "/epoch", atomically: true, encoding: .utf8)
        #expect(
            try await state(record("r.1.d.1", RemoteCommand("true"), epoch: 7).start(patience: 20)) == .fenced(epoch: 8)
        )
        let same = record("r.1.d.1", RemoteCommand("true"), epoch: 8)
        #expect(try await state(same.start(patience: 20)) == .done(exitCode: 0, output: [], errorOutput: []))
    }

    @Test("a reboot and a vanished process are told apart from running")
    func outcomesUnknown() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let operation = record("r.1.e.1", RemoteCommand("true"))
        let run = folder + "/ops/r.1.e.1/run"
        try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
        try "d\n".write(toFile: folder + "/ops/r.1.e.1/command.sha256", atomically: true, encoding: .utf8)
        try "another boot\n".write(toFile: run + "/boot", atomically: true, encoding: .utf8)
        #expect(try await state(operation.start(patience: 5)) == .rebooted)
        let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        try boot.write(toFile: run + "/boot", atomically: true, encoding: .utf8)
        try "1 999999999999\n".write(toFile: run + "/pid", atomically: true, encoding: .utf8)
        #expect(try await state(operation.start(patience: 5)) == .vanished)
    }
}
