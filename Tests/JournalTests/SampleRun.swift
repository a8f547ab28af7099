import ClusterModel
import FoundationEssentials
import Synchronization
import SystemPackage

@testable import Journal

/// Time that passes only when it is looked at, always by the same step; sleeping lets it pass at once.
final class ManualTime: TimeSource {
    private let state: Mutex<(wall: Int64, up: Int64)>
    private let step: Int64

    init(wall: Int64 = 1_795_212_782_000, up: Int64 = 418_000, step: Int64 = 137) {
        state = Mutex((wall, up))
        self.step = step
    }

    var now: UTCMoment {
        state.withLock { state in
            state.wall += step
            state.up += step
            return UTCMoment(milliseconds: state.wall)
        }
    }

    var uptime: Duration { state.withLock { .milliseconds($0.up) } }

    /// Moves the wall clock alone, as a person or NTP does.
    func setWall(by milliseconds: Int64) { state.withLock { $0.wall += milliseconds } }

    func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        state.withLock { state in
            state.wall += duration.milliseconds
            state.up += duration.milliseconds
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same numbers from the same seed everywhere.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A folder of its own for one test, removed with everything in it when the value goes away.
final class TemporaryFolder {
    let path: FilePath

    init() throws {
        let name = "rollbook-journal-\(UUID().uuidString)"
        path = FilePath("/tmp").appending(name)
        try FileManager.default.createDirectory(
            atPath: path.string,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }

    func bytes(_ name: String) throws -> [UInt8]? { try readFile(path.appending(name), limit: 1 << 24) }
}

/// The run all tests of whole journals use: 3 masters upgraded one after the other, with a failure, a lost link and a resume.
enum SampleRun {
    static let plan = Array(#"{"nodes":[],"v":1}"#.utf8)
    static let planID = ContentHash(of: plan)
    static let id = RunID(moment: UTCMoment(milliseconds: 1_795_212_782_000), random: 0x9f3a_12c4)
    static let person = Operator(program: "rollbook 0.9.0", host: "ops1", user: "alice", pid: 4711)
    static let boot = "6f1c2f0e-57a5-4f0f-9a56-2f3f8b0e1c11"

    static func clock(_ time: any TimeSource = ManualTime()) -> JournalClock { JournalClock(time: time, boot: boot) }

    static func begin(plan: ContentHash = planID, steps: Int = 14, previous: RunWitness? = nil) -> JournalEvent {
        .runBegin(
            RunBegin(
                plan: plan,
                by: person,
                cluster: cluster,
                runbook: "rolling-upgrade",
                steps: steps,
                previous: previous
            )
        )
    }

    static var cluster: ClusterID {
        guard let id = ClusterID("prod") else { preconditionFailure("a valid id") }
        return id
    }

    static func step(_ text: String) -> StepID {
        guard let id = StepID(text) else { preconditionFailure("'\(text)' is no step id") }
        return id
    }

    static func intent(_ step: String, _ attempt: Int = 1, _ stepClass: StepClass = .guarded) -> JournalEvent {
        .stepIntent(
            StepIntent(
                step: Self.step(step),
                attempt: attempt,
                operation: "9f3a12c4.\(step).\(attempt)",
                stepClass: stepClass,
                arguments: ContentHash(of: Array(step.utf8))
            )
        )
    }

    static func outcome(
        _ step: String,
        _ attempt: Int = 1,
        _ result: StepOutcome.Result = .ok,
        output: JSONValue = .null,
        message: String? = nil,
        outputs: [OutputRecord] = []
    ) -> JournalEvent {
        .stepOutcome(
            StepOutcome(
                step: Self.step(step),
                attempt: attempt,
                result: result,
                output: output,
                message: message,
                outputs: outputs,
                duration: .milliseconds(812)
            )
        )
    }

    static func probe(_ step: String, _ attempt: Int, _ finding: StepProbe.Finding) -> JournalEvent {
        .stepProbe(StepProbe(step: Self.step(step), attempt: attempt, finding: finding, detail: "kubelet 1.31.4 runs"))
    }

    static func resolved(_ step: String, _ attempt: Int, _ answer: StepResolved.Answer) -> JournalEvent {
        .stepResolved(
            StepResolved(step: Self.step(step), attempt: attempt, by: "alice", answer: answer, why: "seen with dpkg -l")
        )
    }

    static func end(_ result: RunEnd.Result, _ code: ExitCode) -> JournalEvent {
        .runEnd(RunEnd(result: result, exitCode: code, summary: .object(["ok": .integer(11)])))
    }

    /// More than 60 events, every type and every field among them.
    static var events: [JournalEvent] {
        var events: [JournalEvent] = [
            begin(previous: RunWitness(run: RunID(moment: UTCMoment(seconds: 1_795_126_382), random: 7), head: planID)),
            .lockTaken(LockTaken(epoch: 8)),
        ]
        let captured = OutputRecord(
            name: "out/1.master1.etcd.snapshot.1.out",
            sha256: ContentHash(of: Array("saved\n".utf8)),
            bytes: 6,
            truncated: false
        )
        for master in 1...3 {
            for (index, kind) in ["etcd.snapshot", "node.drain", "kubeadm.upgrade", "kubelet.upgrade", "node.uncordon"]
                .enumerated()
            {
                let step = "\(index + 1).master\(master).\(kind)"
                events.append(intent(step, 1, kind == "etcd.snapshot" ? .idempotent : .guarded))
                events.append(
                    outcome(
                        step,
                        1,
                        .ok,
                        output: .object([
                            "revision": .integer(Int64(master * 1000)),
                            "names": .array([.string("müller\n\u{1}\"\\"), .null]),
                            "h": .string("sha256:none"), "size": .unsigned(.max), "clean": .bool(true),
                        ]),
                        outputs: kind == "etcd.snapshot" ? [captured] : []
                    )
                )
            }
            events.append(
                .stageGate(
                    StageGate(
                        stage: "masters",
                        passed: true,
                        waited: .milliseconds(31200),
                        detail: "etcd.quorum 3/3, node.ready"
                    )
                )
            )
        }
        events += [
            outcome("6.worker1.node.drain", 1, .skipped, message: "drained already"),
            outcome("6.worker2.node.drain", 1, .refused, message: "another worker is down"),
            intent("6.worker2.node.drain", 2), outcome("6.worker2.node.drain", 2, .failed, message: "2 pods left"),
            intent("6.worker3.node.drain"), outcome("6.worker3.node.drain", 1, .unknown, message: "connection lost"),
            .note(Note(kind: "ui.lost", detail: .object(["fd": .integer(1)]))),
            .runInterrupted(RunInterrupted(signal: .terminate)), end(.held, .outcomeUnknown),
            .runResumed(
                RunResumed(
                    purpose: .resolve,
                    by: person,
                    cuts: [JournalCut(file: "journal.torn-1", bytes: 46, sha256: planID)]
                )
            ),
            probe("6.worker3.node.drain", 1, .cannotTell), resolved("6.worker3.node.drain", 1, .notDone),
            end(.held, .stepFailed),
            .runResumed(RunResumed(purpose: .resume, by: person)), .lockTaken(LockTaken(epoch: 9)),
            intent("6.worker3.node.drain", 2), outcome("6.worker3.node.drain", 2, .ok),
            intent("6.worker2.node.drain", 3, .manual),
        ]
        for step in ["7.worker1.kubelet", "7.worker2.kubelet"] { events += [intent(step, 1, .read), outcome(step)] }
        events += [
            outcome("6.worker2.node.drain", 3),
            .stageGate(
                StageGate(stage: "workers", passed: false, waited: .seconds(600), detail: "waits for node.ready")
            ),
            .note(Note(kind: "remark")), end(.done, .done),
        ]
        return events
    }

    /// The lines `events` make, always the same bytes.
    static func lines(_ events: [JournalEvent] = events) throws -> [[UInt8]] {
        let journal = InMemoryJournal(run: id, plan: planID, clock: clock())
        for event in events { try journal.append(event) }
        return journal.bytes.split(separator: newline).map { $0 + [newline] }
    }

    static func makeFolder(in temporary: TemporaryFolder) throws -> RunFolder {
        try StateDirectory.prepare(at: temporary.path.appending("state")).makeRun(id)
    }

    static func makeWriter(in folder: RunFolder, time: any TimeSource = ManualTime()) throws -> JournalWriter {
        guard case .runBegin(let begin) = begin() else { preconditionFailure("begin is run.begin") }
        return try JournalWriter.create(in: folder, plan: plan, begin: begin, clock: clock(time))
    }
}
