import ClusterModel
import Foundation
import RemoteShell
import Testing
import TestSupport

@Suite("Host fence")
struct HostFenceTests {
    private let folder: String
    private let connection: FramedConnection

    init() throws {
        folder = NSTemporaryDirectory() + "rollbook-fence-" + randomNonce()
        let host = try #require(HostName("here"))
        connection = FramedConnection(LocalTransport(host: host, folder: folder), become: .no)
    }

    private func fence(_ epoch: Int, _ run: String = "20261120T221302Z-00000001", _ id: String = "aaaa") -> HostFence {
        HostFence(epoch: epoch, run: run, controller: HostFence.Controller(id: id, name: "ops-\(id)"))
    }

    private func claim(_ fence: HostFence, takingOver: Bool = false) async throws -> HostFence.Claim? {
        let answer = try await connection.run(fence.claim(takingOver: takingOver))
        return HostFence.claim(from: answer.output.text)
    }

    private func survey() async throws -> (epoch: Int, owner: HostFence.Owner?)? {
        HostFence.survey(from: try await connection.run(HostFence.survey).output.text)
    }

    @Test("a host is claimed, told of, given back, and never goes to a lower epoch")
    func life() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let empty = try #require(try await survey())
        #expect(empty.epoch == 0 && empty.owner == nil)
        #expect(!FileManager.default.fileExists(atPath: folder), "looking makes nothing")
        #expect(try await claim(fence(3)) == .owns)
        #expect(try await claim(fence(3)) == .owns)
        let taken = try #require(try await survey())
        #expect(taken.epoch == 3 && taken.owner?.controller.name == "ops-aaaa")
        #expect(try await claim(fence(2)) == .fenced(epoch: 3))
        _ = try await connection.run(fence(9, "20261120T221302Z-00000002").release)
        #expect(try await survey()?.owner != nil, "only the owner gives it back")
        _ = try await connection.run(fence(3).release)
        #expect(try await survey()?.owner == nil)
        #expect(try await claim(fence(2)) == .fenced(epoch: 3))
    }

    @Test("another controller is refused until it takes over; the same controller's next run is not")
    func owners() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try await claim(fence(3)) == .owns)
        let other = fence(4, "20261120T221302Z-00000002", "bbbb")
        guard case .owned(let owner) = try await claim(other) else {
            Issue.record("another controller's claim must be refused")
            return
        }
        #expect(owner.run == "20261120T221302Z-00000001" && owner.epoch == 3 && owner.controller.id == "aaaa")
        #expect(try await claim(fence(4, "20261120T221302Z-00000003")) == .owns)
        #expect(try await claim(fence(5, "20261120T221302Z-00000002", "bbbb"), takingOver: true) == .owns)
        #expect(try await claim(fence(4, "20261120T221302Z-00000003")) == .fenced(epoch: 5))
    }

    @Test("an operation of another run that works on the host keeps it, and its own run's does not")
    func busy() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let gate = folder + "-gate"
        defer { try? FileManager.default.removeItem(atPath: gate) }
        #expect(try await claim(fence(1)) == .owns)
        let operation = OperationRecord(
            id: "00000001.1.here.shell.run.1",
            epoch: 1,
            command: RemoteCommand("until [ -e \"$1\" ]; do sleep 0.02; done", [gate]),
            commandDigest: "d"
        )
        _ = try await connection.run(operation.start(patience: 0))
        let next = fence(2, "20261120T221302Z-00000002")
        #expect(try await claim(next, takingOver: true) == .busy(operation: operation.id))
        #expect(try await claim(fence(2)) == .owns, "a resume of the same run takes a new epoch")
        _ = FileManager.default.createFile(atPath: gate, contents: nil)
        _ = try await connection.run(operation.start(patience: 20))
        #expect(try await claim(fence(3, "20261120T221302Z-00000002")) == .owns)
    }

    @Test("operations and takeovers in random interleavings: none runs under a lower epoch than was claimed before")
    func interleavings() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let effects = folder + "-effects"
        defer { try? FileManager.default.removeItem(atPath: effects) }
        var random = SplitMix64(seed: 7)
        var fenced = 0
        let rounds = ProcessInfo.processInfo.environment["ROLLBOOK_INTERLEAVINGS"].flatMap { Int($0) } ?? 50
        for round in 0..<rounds {
            let (low, high) = (2 * round + 1, 2 * round + 2)
            #expect(try await claim(fence(low), takingOver: true) == .owns)
            let operation = OperationRecord(
                id: "00000001.\(round)",
                epoch: low,
                command: RemoteCommand("echo \"$1\" >>\"$2\"", [String(low), effects]),
                commandDigest: "d"
            )
            let pause = Duration.microseconds(Int.random(in: 0...20_000, using: &random))
            async let sent = connection.run(operation.start(patience: 20))
            try await Task.sleep(for: pause)
            let rival = fence(high, "20261120T221302Z-0000000b", "bbbb")
            while true {
                let answer = try await claim(rival, takingOver: true)
                if answer == .owns { break }
                guard case .busy = answer else {
                    Issue.record("round \(round): \(String(describing: answer))")
                    return
                }
            }
            _ = try await connection.run(RemoteCommand("echo \"$1\" >>\"$2\"", [String(high), effects]))
            if case .fenced = OperationRecord.state(from: try await sent.output.bytes) { fenced += 1 }
            _ = try await connection.run(rival.release)
        }
        let done = try String(contentsOfFile: effects, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
        #expect(done == done.sorted())
        #expect(done.count == 2 * rounds - fenced)
        #expect(fenced > rounds / 40 && fenced < rounds - rounds / 40, "\(fenced) of \(rounds) came too late")
        print("\(rounds) interleavings: \(fenced) operations came too late and did not run")
    }
}
