import ClusterModel
import Foundation
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Units and packages, in a real shell")
struct ServiceStepShellTests {
    /// A systemd that keeps a unit's state in files, and notes what it is told.
    private func systemd(_ trial: ShellTrial, active: String = "inactive", file: String = "disabled") throws {
        try trial.tree.write("/unit/ActiveState", active + "\n")
        try trial.tree.write("/unit/UnitFileState", file + "\n")
        try trial.tree.write("/unit/LoadState", "loaded\n")
        try trial.tree.program(
            "systemctl",
            """
            cd '\(trial.root)/unit'
            case $1 in
            show) shift; while [ "$1" = -p ]; do echo "$2=$(cat "$2" 2>/dev/null)"; shift 2; done; exit ;;
            esac
            echo "$*" >>'\(trial.root)/told'
            for last in "$@"; do :; done
            [ "$1" != -q ] || shift
            case $1 in
            start | restart) echo "$([ -e fails ] && echo failed || echo active)" >ActiveState ;;
            stop) echo inactive >ActiveState ;;
            enable) echo enabled >UnitFileState ;;
            disable) echo disabled >UnitFileState ;;
            daemon-reload) [ ! -e later ] || mv later LoadState ;;
            esac
            """
        )
    }

    private func ensure(_ more: [String: JSONValue]) -> StepCall {
        ShellTrial.call("service.ensure", ["name": .string("app")].merging(more) { $1 })
    }

    private let wanted: [String: JSONValue] = ["state": .string("running"), "enabled": .bool(true)]

    @Test("a unit is started and enabled, found so again, and put back by the undo")
    func started() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try systemd(trial)
        let plan = try await trial.plan(ensure(wanted), ShellTrial.failing)
        #expect(plan.summary() == "enable and start app, which is inactive and disabled")
        let (_, journal) = try await trial.run(plan)
        #expect(trial.text("/told") == "-q enable -- app\nstart -- app\n")
        #expect(try await trial.plan(ensure(wanted)).summary() == "noop: app is running and enabled")
        #expect(try await trial.abandon(plan, journal).exitCode == .done)
        #expect(trial.text("/told") == "-q enable -- app\nstart -- app\n-q disable -- app\nstop -- app\n")
    }

    @Test("a unit that fails at once has not started")
    func fails() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try systemd(trial)
        try trial.tree.write("/unit/fails", "")
        try trial.tree.program("journalctl", "echo 'no such port'")
        let ending = try await trial.run(try await trial.plan(ensure(wanted))).ending
        #expect(ending.problems.first?.event == "app is failed after start; its last words: no such port")
    }

    @Test("a restart is made once where the unit runs, and not where it does not")
    func restarted() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try systemd(trial, active: "active", file: "enabled")
        let plan = try await trial.plan(ensure(["restart": .bool(true)]), ShellTrial.failing)
        #expect(plan.summary() == "restart app, which is running and enabled")
        let (_, journal) = try await trial.run(plan)
        #expect(try await trial.resume(plan, journal).exitCode == .stepFailed)
        #expect(trial.text("/told") == "restart -- app\n")
        try systemd(trial, active: "inactive")
        #expect(
            try await trial.plan(ensure(["restart": .bool(true)])).summary() == "noop: app is inactive and disabled"
        )
    }

    @Test(
        "what systemd would refuse is refused in the plan",
        arguments: [
            ("masked", "masked", "app is masked"), ("loaded", "static", "app is static: nothing of its own starts"),
            ("not-found", "", "there is no unit app"), ("bad-setting", "disabled", "its unit file is not valid"),
        ]
    )
    func refused(load: String, file: String, what: String) async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try systemd(trial, file: file)
        try trial.tree.write("/unit/LoadState", load + "\n")
        #expect(try await trial.plan(ensure(wanted)).summary().hasPrefix("blocked: " + what))
    }

    @Test("a unit whose file comes with an earlier step is decided after it, and found when systemd was told")
    func later() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try systemd(trial, file: "")
        try trial.tree.write("/unit/LoadState", "not-found\n")
        try trial.tree.write("/unit/later", "loaded\n")
        let unit = ShellTrial.call(
            "file.put",
            ["path": .string(trial.root + "/etc/systemd/system/app.service"), "content": .string("[Service]\n")]
        )
        let plan = try await trial.plan(unit, ensure(wanted))
        #expect(plan.summary(1) == "unknown: file.put")
        let ending = try await trial.run(plan).ending
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(trial.text("/told") == "daemon-reload\n-q enable -- app\nstart -- app\n")
    }

    /// apt with one package, whose version and hold are files.
    private func apt(_ trial: ShellTrial, version: String = "", hold: Bool = false) throws {
        try trial.tree.write("/apt/version", version)
        try trial.tree.write("/apt/want", hold ? "hold\n" : "install\n")
        let folder = "\(trial.root)/apt"
        try trial.tree.program(
            "dpkg-query",
            """
            [ -s '\(folder)/version' ] || exit 1
            case $3 in *Want*) cat '\(folder)/want' ;; *) echo "installed $(cat '\(folder)/version')" ;; esac
            """
        )
        try trial.tree.program("apt-cache", "echo \"$3 | 2.0-1 | http://x\"; echo \"$3 | 1.0-1 | http://x\"")
        try trial.tree.program(
            "apt-mark",
            "echo \"apt-mark $*\" >>'\(trial.root)/told'; [ $1 = hold ] && echo hold >'\(folder)/want' || echo install >'\(folder)/want'"
        )
        try trial.tree.program(
            "apt-get",
            """
            [ "$1" != -s ] || { echo "Remv $3 [1]"; cat '\(folder)/others' 2>/dev/null; exit 0; }
            for last in "$@"; do :; done
            echo "apt-get $last" >>'\(trial.root)/told'
            [ ! -e '\(folder)/fails' ] || { echo "E: no" >&2; exit 100; }
            case "$*" in *" remove "*) : >'\(folder)/version'; exit ;; esac
            case $last in *=*) printf %s "${last#*=}" >'\(folder)/version' ;; *) printf 2.0-1 >'\(folder)/version' ;; esac
            """
        )
    }

    private func package(_ more: [String: JSONValue]) -> StepCall {
        ShellTrial.call("package.ensure", ["name": .string("tool")].merging(more) { $1 })
    }

    @Test("a package is installed, found so again, and taken away by the undo")
    func installed() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try apt(trial)
        let plan = try await trial.plan(package([:]), ShellTrial.failing)
        #expect(plan.summary() == "tool is not installed: apt-get install tool")
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.problems.map(\.place) == ["worker1/shell.run"], "\(ending.problems)")
        #expect(try await trial.plan(package([:])).summary() == "noop: tool is 2.0-1")
        #expect(try await trial.abandon(plan, journal).exitCode == .done)
        #expect(trial.text("/told") == "apt-get tool\napt-get tool\n" && trial.text("/apt/version") == "")
    }

    @Test("a held package is changed and held again, also when the package manager fails")
    func held() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try apt(trial, version: "2.0-1", hold: true)
        let call = package(["version": .string("1.0")])
        let plan = try await trial.plan(call)
        #expect(plan.summary() == "tool is 2.0-1, held: apt-get install tool=1.0; its hold is taken off meanwhile")
        try trial.tree.write("/apt/fails", "")
        #expect(try await trial.run(plan).ending.exitCode == .stepFailed)
        #expect(trial.text("/apt/want") == "hold\n")
        try FileManager.default.removeItem(atPath: trial.root + "/apt/fails")
        #expect(try await trial.run(try await trial.plan(call)).ending.exitCode == .done)
        #expect(trial.text("/apt/want") == "hold\n" && trial.text("/apt/version") == "1.0-1")
        #expect(trial.names("/var/lib/rollbook-host/packages") == [])
    }

    @Test("a package that others need is not removed")
    func needed() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try apt(trial, version: "1.0-1")
        try trial.tree.write("/apt/others", "Remv kubelet [1.31]\n")
        let ending = try await trial.run(try await trial.plan(package(["state": .string("absent")]))).ending
        #expect(ending.problems.first?.event == "kubelet would be removed with tool")
        #expect(trial.text("/apt/version") == "1.0-1")
    }

    @Test("only the hold is changed where only that is another")
    func holdOnly() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try apt(trial, version: "1.0-1")
        let plan = try await trial.plan(package(["hold": .bool(true)]))
        #expect(plan.summary() == "tool is 1.0-1: hold tool")
        #expect(try await trial.run(plan).ending.exitCode == .done)
        #expect(trial.text("/told") == "apt-mark hold tool\n")
    }
}
