import ClusterModel
import RemoteShell
import Synchronization
import TestSupport
import Testing

@testable import RunEngine

/// A fact that counts how often an answer was read as its value.
private struct CountedFact: Fact {
    static let name = "test.counted"
    static let readings = Mutex(0)

    /// Not part of the command: two of these ask the same and read differently.
    let unit: String

    var command: RemoteCommand { RemoteCommand("echo 7") }

    func parse(_ answer: ProbeBatch.Answer) throws -> String {
        Self.readings.withLock { $0 += 1 }
        guard answer.text.hasPrefix("7") else { throw StepFault("not seven") }
        return answer.text.replacing("\n", with: "") + unit
    }
}

@Suite("Values of facts")
struct FactValueTests {
    @Test("an answer is made a value once for all decisions, and never taken for another fact's")
    func once() async throws {
        let trial = EngineTrial(.sample())
        trial.hosts["worker1"].answers[CountedFact(unit: "").command] = CommandResult(text: "7\n")
        let facts = FactCache(cluster: trial.cluster, connections: trial.hosts, parallel: 1)
        let worker = try #require(HostName("worker1"))
        let before = CountedFact.readings.withLock { $0 }
        for _ in 0..<5 {
            #expect(try await facts.reader(of: trial.cluster).read(CountedFact(unit: "m"), on: worker) == "7m")
        }
        #expect(CountedFact.readings.withLock { $0 } == before + 1)
        #expect(try await facts.reader(of: trial.cluster).read(CountedFact(unit: "s"), on: worker) == "7s")
    }
}
