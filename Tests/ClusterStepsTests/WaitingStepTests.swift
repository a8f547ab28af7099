import ClusterModel
import Foundation
import Journal
import RemoteShell
import RunEngine
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Steps that wait, ask and restart")
struct WaitingStepTests {
    @Test("a wait asks until the answer is right, and says what it waited for when it is not in time")
    func wait() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        let count = "\(trial.root)/count"
        let right = ShellTrial.call(
            "wait.until",
            [
                "run": .string("echo >>\"$1\"; wc -l <\"$1\""), "arguments": .array([.string(count)]),
                "equals": .string("3"), "for": .string("three lines"),
            ]
        )
        let plan = try await trial.plan(right)
        #expect(plan.summary() == "wait for three lines, 5m00s at most" && trial.text("/count") == nil)
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.exitCode == .done && trial.time.elapsed == .seconds(10))
        #expect(journal.state.steps.values.first?.output?["questions"] == .integer(3))
        let never = ShellTrial.call(
            "wait.until",
            ["run": .string("echo no; exit 4"), "timeout": .string("20s"), "every": .string("10s")]
        )
        let late = try await trial.run(try await trial.plan(never)).ending
        #expect(late.exitCode == .deadline)
        #expect(
            late.problems.first?.event
                == "still waits for its script to end with 0 after 20.0s; last answer: it ended with 4"
        )
    }

    @Test("a script with the rights of the login has them, though its record begins as root")
    func login() async throws {
        let trial = try ShellTrial(user: "nobody")
        defer { trial.remove() }
        let seen = "\(trial.root)/seen"
        try trial.tree.write("/seen", "", mode: 0o666)
        let call = ShellTrial.call(
            "shell.run",
            [
                "script": .string("echo \"$(id -un) $HOME $2\" >\"$1\""), "probe": .string("[ -s \"$1\" ]"),
                "arguments": .array([.string(seen), .string("two words")]), "as": .string("login"),
            ]
        )
        let ending = try await trial.run(try await trial.plan(call)).ending
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(trial.text("/seen") == "nobody /nonexistent two words\n")
    }

    /// Keeps what is fetched in a folder.
    struct Kept: FetchedFiles {
        let folder: RunFolder
        func create(_ name: String, of step: StepID, attempt: Int, limit: Int) throws -> OutputFile {
            try OutputFile(in: folder, step: step, attempt: attempt, ending: name, limit: limit)
        }
    }

    @Test("a file is copied into the run's folder with its digest, and none that is too large or not there")
    func fetch() async throws {
        let place = try RunPlace()
        defer { place.remove() }
        var views = StepServices()
        views.add(Kept(folder: place.folder) as any FetchedFiles)
        let trial = try ShellTrial(views: views)
        defer { trial.remove() }
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try trial.tree.write("/data", "")
        try Data(bytes).write(to: URL(filePath: trial.root + "/data"))
        func call(_ path: String, _ limit: Int64 = 16) -> StepCall {
            ShellTrial.call(
                "fetch",
                ["path": .string(trial.root + path), "as": .string("data.bin"), "limit": .integer(limit)]
            )
        }
        let plan = try await trial.plan(call("/data"))
        #expect(plan.summary() == "copy \(trial.root)/data (292 KiB) into the run's folder as …data.bin")
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        let output = try #require(journal.state.steps.values.first?.output).decode(FetchFile.Output.self)
        #expect(output.file == "out/1.worker1.fetch.1.data.bin" && output.bytes == bytes.count)
        #expect(output.sha256 == ContentHash(of: bytes).text)
        #expect(try [UInt8](Data(contentsOf: URL(filePath: place.folder.path.string + "/" + output.file))) == bytes)
        #expect(try await trial.plan(call("/none")).summary() == "blocked: there is no file \(trial.root)/none")
        try Data(repeating: 0, count: (1 << 20) + 1).write(to: URL(filePath: trial.root + "/data"))
        #expect(try await trial.plan(call("/data", 1)).summary().contains("and limit is"))
    }

    /// A person who answers as told.
    final class Person: Attendance {
        let answers: [String: Bool]
        let absence: String?
        let person = "op@ops1"
        private let replies: Mutex<[Bool?]>

        init(answers: [String: Bool] = [:], absence: String? = nil, replies: [Bool?] = []) {
            self.answers = answers
            self.absence = absence
            self.replies = Mutex(replies)
        }

        func ask(_ question: String, within limit: Duration) async throws -> Bool? {
            replies.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    private func trial(_ person: Person) throws -> ShellTrial {
        var views = StepServices()
        views.add(person as any Attendance)
        return try ShellTrial(views: views)
    }

    private let question = ShellTrial.call(
        "confirm",
        ["name": .string("drained"), "question": .string("Is traffic drained?")]
    )

    @Test("a person's yes lets the run go on and is kept with name and time; no and silence are asked again by resume")
    func confirm() async throws {
        let trial = try trial(Person(replies: [false, nil, true]))
        defer { trial.remove() }
        let plan = try await trial.plan(question, on: "controller")
        #expect(plan.summary() == "ask, and wait 15m00s for the answer: Is traffic drained?")
        let (no, journal) = try await trial.run(plan)
        #expect(no.exitCode == .refused && no.problems.first?.event == "op@ops1 answered 'Is traffic drained?' with no")
        #expect(try await trial.resume(plan, journal).exitCode == .deadline)
        let (yes, again) = try await trial.run(plan)
        #expect(yes.exitCode == .done)
        let output = try #require(again.state.steps.values.first?.output).decode(Confirm.Output.self)
        #expect(output.by == "op@ops1" && output.at == trial.time.now && !output.beforehand)
    }

    @Test("where nobody can be asked it is refused in the plan, unless it was answered beforehand")
    func unattended() async throws {
        let alone = try trial(Person(absence: "there is no terminal"))
        defer { alone.remove() }
        let plan = try await alone.plan(question, on: "controller")
        #expect(plan.obstacles.first?.code == .refused)
        #expect(plan.summary() == "blocked: nobody can be asked 'Is traffic drained?': there is no terminal")
        let told = try trial(Person(answers: ["drained": true], absence: "there is no terminal"))
        defer { told.remove() }
        let (ending, journal) = try await told.run(try await told.plan(question, on: "controller"))
        #expect(ending.exitCode == .done)
        #expect(journal.state.steps.values.first?.output?["beforehand"] == .bool(true))
        let refused = try trial(Person(answers: ["drained": false]))
        defer { refused.remove() }
        await #expect(throws: OperatorMessage.self) { _ = try await refused.plan(question, on: "controller") }
    }

    @Test("a host is restarted once, and is back when another boot id answers and systemd has started")
    func reboot() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        // Its restart takes a while: systemd is still starting at the first two looks.
        try trial.tree.program(
            "systemctl",
            """
            case $1 in
            reboot) echo reboot >>'\(trial.root)/told'; echo boot-2 >'\(trial.root)/boot_id' ;;
            is-system-running) echo >>'\(trial.root)/looks'
                [ "$(wc -l <'\(trial.root)/looks')" -gt 2 ] && echo degraded || { echo starting; exit 1; } ;;
            esac
            """
        )
        let plan = try await trial.plan(ShellTrial.call("reboot", [:]), ShellTrial.failing)
        #expect(plan.steps.first?.takesHostAway == true)
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.problems.map(\.place) == ["worker1/shell.run"], "\(ending.problems)")
        let step = try #require(journal.state.steps.first { $0.key.text == "1.worker1.reboot" }?.value)
        let output = try #require(step.output).decode(RebootHost.Output.self)
        #expect(output.bootBefore == "boot-1" && output.bootAfter == "boot-2" && output.system == "degraded")
        #expect(try await trial.resume(plan, journal).exitCode == .stepFailed)
        #expect(trial.text("/told") == "reboot\n")
    }

    /// A host on its way through a restart: what it is told and how it looks is answered in order, all else by the shell.
    final class Restarting: HostConnections {
        let shell: ShellTrial
        let scripted: ScriptedConnection

        init(_ shell: ShellTrial, _ answers: [Result<CommandResult, TransportError>]) throws {
            self.shell = shell
            scripted = ScriptedConnection(host: try #require(HostName("worker1")), answers)
        }

        struct Connection: HostConnection {
            let host: HostName
            let shell: any HostConnection
            let scripted: ScriptedConnection

            func run(
                _ command: RemoteCommand,
                input: CommandInput,
                limits: CommandLimits
            ) async throws(TransportError) -> CommandResult {
                let isOfRestart = command.script.contains("op=$1") || command.script.contains("is-system-running")
                let other: any HostConnection = isOfRestart ? scripted : shell
                return try await other.run(command, input: input, limits: limits)
            }

            func download(
                _ command: RemoteCommand,
                to sink: any ByteSink,
                limits: CommandLimits
            ) async throws(TransportError) -> CommandResult {
                try await shell.download(command, to: sink, limits: limits)
            }
        }

        func connection(to host: ClusterModel.Host) async throws(TransportError) -> any HostConnection {
            Connection(host: host.name, shell: try await shell.connection(to: host), scripted: scripted)
        }

        func drop(_ host: HostName) async {}
    }

    private func restart(
        _ answers: [Result<CommandResult, TransportError>]
    ) async throws -> (
        Executor.Ending, FoldJournal
    ) {
        let shell = try ShellTrial()
        defer { shell.remove() }
        let plan = try await shell.plan(ShellTrial.call("reboot", ["timeout": .string("60s")]))
        let hosts = try Restarting(shell, answers)
        let trial = EngineTrial(.sample(masters: 0, workers: 1, loadBalancers: 0), registry: .shipped)
        let journal = try trial.foldJournal(for: plan)
        let executor = Executor(
            plan: plan,
            planID: ContentHash(of: Array(plan.runbook.utf8)),
            run: trial.run,
            registry: .shipped,
            connections: hosts,
            journal: journal,
            outputs: trial.outputs,
            services: StepServices(),
            time: trial.time,
            stop: trial.stop,
            parallel: 1,
            events: { _ in }
        )
        return (try await executor.execute(), journal)
    }

    @Test("a host that went down before it told its boot id is proven restarted by its record, and not told again")
    func downAtOnce() async throws {
        let host = try #require(HostName("worker1"))
        let lost = TransportError(.lost, host: host, "the link broke", commandMayHaveStarted: true)
        let refused = TransportError(.refused, host: host, "connection refused")
        let (ending, journal) = try await restart([
            .failure(lost), .failure(refused), .success(CommandResult(text: "rebooted\n")),
            .success(CommandResult(text: "boot-2\nrunning\n")),
        ])
        #expect(ending.exitCode == .done, "\(ending.problems)")
        let output = try #require(journal.state.steps.values.first?.output).decode(RebootHost.Output.self)
        #expect(output.bootBefore == nil && output.bootAfter == "boot-2")
    }

    @Test("a host that does not come back in time is left unknown, for resume to wait on")
    func late() async throws {
        let host = try #require(HostName("worker1"))
        let refused = TransportError(.refused, host: host, "connection refused")
        let answers: [Result<CommandResult, TransportError>] =
            [.success(CommandResult(text: "done 0 7 0\nboot-1\n"))] + Array(repeating: .failure(refused), count: 40)
        let (ending, journal) = try await restart(answers)
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(ending.problems.first?.event.contains("it does not answer: connection refused") == true)
        #expect(journal.state.steps.values.first?.needsProbe == true)
    }

    @Test("a host that was never reached is refused and not unknown")
    func neverReached() async throws {
        let host = try #require(HostName("worker1"))
        let (ending, journal) = try await restart([
            .failure(TransportError(.refused, host: host, "connection refused"))
        ])
        #expect(ending.exitCode == .unreachable, "\(ending.problems)")
        #expect(journal.state.steps.values.first?.phase == .refused)
    }
}

/// A run's folder of its own.
struct RunPlace {
    let folder: RunFolder

    init() throws {
        let place = FileManager.default.temporaryDirectory.appending(path: "rollbook-run-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: place.appending(path: "out"), withIntermediateDirectories: true)
        folder = RunFolder(path: .init(place.path), run: RunID(moment: TestTime().now, random: 1))
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder.path.string) }
}
