import BackupStore
import ClusterModel
import Foundation
import RemoteShell
import TestSupport
import Testing

@testable import ClusterSteps

/// What a restore does to a host, in a real shell: once, twice, undone, and killed at any command.
@Suite("Stopping the control plane and placing restored data, in a real shell")
struct RestoreScriptShellTests {
    private static let run = "20261120T221302Z-9f3a12c4"
    private static let pods = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]

    /// One of the scripts that change a host.
    enum Action: String, CaseIterable, CustomTestStringConvertible {
        case park, start, unpack, takeAway, putBack

        var testDescription: String { rawValue }
    }

    /// A master with a kubelet that runs the three pods, etcd's data, and a restored member's archive.
    private struct Master {
        let host: EtcdHostTree
        let archive: FileDigest
        let database: FileDigest

        var root: String { host.root }

        init(_ form: EtcdHostTree.Form = .manifest, hasOwnLog: Bool = false) async throws {
            host = try EtcdHostTree(form, hasOwnLog: hasOwnLog)
            for pod in RestoreScriptShellTests.pods {
                try host.tree.write("/etc/kubernetes/manifests/\(pod).yaml", "the manifest of \(pod)\n", mode: 0o600)
            }
            try host.tree.program(
                "sleep",
                """
                [ -e @/unit ] || systemctl kubelet
                i=5000
                for p in \(RestoreScriptShellTests.pods.joined(separator: " ")); do
                    i=$((i + 1))
                    if [ -e "@/etc/kubernetes/manifests/$p.yaml" ]; then
                        /usr/bin/mkdir -p @/proc/$i; printf '%.15s\\n' "$p" >@/proc/$i/comm
                    else /usr/bin/rm -rf @/proc/$i; fi
                done
                """
            )
            let made = host.root + ".made"
            try FileManager.default.createDirectory(atPath: made + "/member/snap", withIntermediateDirectories: true)
            try FileManager.default.createDirectory(atPath: made + "/member/wal", withIntermediateDirectories: true)
            let bytes = Array("restored data".utf8)
            try Data(bytes).write(to: URL(filePath: made + "/member/snap/db"))
            try Data("new log".utf8).write(to: URL(filePath: made + "/member/wal/0.wal"))
            try await host.do(
                RemoteCommand("tar --create --file=\"$1/m.tar.gz\" --gzip --directory=\"$1\" member && sleep 1", [made])
            )
            archive = FileDigest(of: [UInt8](try Data(contentsOf: URL(filePath: made + "/m.tar.gz"))))
            database = FileDigest(of: bytes)
        }

        /// The archive's bytes.
        func packed() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: root + ".made/m.tar.gz"))) }

        var isServing: Bool { FileManager.default.fileExists(atPath: root + "/proc/5001") }

        func remove() {
            host.remove()
            try? FileManager.default.removeItem(atPath: root + ".made")
        }

        func send(_ bytes: [UInt8], sha256: String) async throws -> CommandResult {
            try await host.tree.connection.run(
                RemoteCommand(RestoreEtcdData.receiveScript, [RestoreScriptShellTests.run, sha256]),
                input: .bytes(bytes),
                limits: CommandLimits(deadline: .seconds(20))
            )
        }

        /// Names below the folder for data on its way.
        var arrived: [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: root + "/var/lib/rollbook-host/restore")) ?? []
        }

        func etcd(_ script: StaticString, _ arguments: [String] = []) -> RemoteCommand {
            RemoteCommand([EtcdInstallation.functions, script], [root + "/etc/kubernetes"] + arguments)
        }

        func pods(_ script: StaticString) -> RemoteCommand {
            RemoteCommand([ControlPlanePods.functions, script], [root + "/etc/kubernetes"])
        }

        func command(_ action: Action) -> RemoteCommand {
            let run = RestoreScriptShellTests.run
            return switch action {
            case .park: pods(ParkControlPlane.script)
            case .start: pods(StartControlPlane.script)
            case .unpack: etcd(RestoreEtcdData.unpackScript, [run, archive.sha256, database.sha256])
            case .takeAway: etcd(RestoreEtcdData.undoScript, [run])
            case .putBack: etcd(SetEtcdDataAside.undoScript, [host.data + ".before-" + run])
            }
        }

        /// Lets everything have been done that comes before an action.
        func prepare(for action: Action) async throws {
            guard action != .park else { return }
            try await host.do(command(.park))
            guard action != .start else { return }
            try await host.do(etcd(ParkEtcd.script))
            try await host.do(etcd(SetEtcdDataAside.script, [RestoreScriptShellTests.run]))
            let sent = try await send(try packed(), sha256: archive.sha256)
            #expect(sent.succeeded)
            guard action != .unpack else { return }
            try await host.do(command(.unpack))
        }
    }

    private func prepared(for action: Action, _ form: EtcdHostTree.Form = .manifest) async throws -> Master {
        let master = try await Master(form)
        try await master.prepare(for: action)
        return master
    }

    @Test("done twice it leaves what once leaves", arguments: Action.allCases)
    func twice(action: Action) async throws {
        let master = try await prepared(for: action)
        defer { master.remove() }
        try await master.host.do(master.command(action))
        let once = try master.host.listing()
        try await master.host.do(master.command(action))
        #expect(try master.host.listing() == once)
    }

    /// Every third command; all of them with `ROLLBOOK_CRASH_DEPTH2=all`.
    private static func sampled(_ numbers: ClosedRange<Int>, from shift: Int) -> [Int] {
        if ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all" { return Array(numbers) }
        return numbers.filter { ($0 + shift) % 3 == 0 }
    }

    @Test("killed before any command of it, a second run completes it", arguments: Action.allCases)
    func killed(action: Action) async throws {
        let master = try await prepared(for: action)
        defer { master.remove() }
        let host = master.host
        try await host.keep()
        try host.countCommands()
        try await host.do(master.command(action))
        let expected = try host.listing()
        let count = host.commands
        #expect(count >= 2)
        for number in Self.sampled(1...max(1, count), from: Action.allCases.firstIndex(of: action) ?? 0) {
            try await host.restore()
            try host.countCommands(killAt: number)
            _ = try? await host.do(master.command(action))
            try host.countCommands()
            try await host.do(master.command(action))
            let found = try host.listing()
            #expect(found == expected, "killed before command \(number)")
        }
    }

    @Test(
        "killed anywhere while restored data is placed, giving up puts the old data back, and nothing is left",
        arguments: [false, true]
    )
    func killedAndGivenUp(hasOwnLog: Bool) async throws {
        let master = try await Master(hasOwnLog: hasOwnLog)
        defer { master.remove() }
        let host = master.host
        try await host.do(master.command(.park))
        try await host.do(master.etcd(ParkEtcd.script))
        let before = try host.listing()
        try await host.do(master.etcd(SetEtcdDataAside.script, [Self.run]))
        #expect(try await master.send(try master.packed(), sha256: master.archive.sha256).succeeded)
        try await host.keep()
        try host.countCommands()
        try await host.do(master.command(.unpack))
        let count = host.commands
        #expect(count >= 5)
        for number in Self.sampled(1...(count + 1), from: 0) {
            try await host.restore()
            try host.countCommands(killAt: number)
            _ = try? await host.do(master.command(.unpack))
            try host.countCommands()
            // The step has no outcome, so nothing but this is undone.
            try await host.do(master.command(.putBack))
            let found = try host.listing().filter { !$0.hasPrefix("var/lib/rollbook-host/restore ") }
            #expect(found == before, "killed before command \(number)")
        }
    }

    @Test("stopped and started again, every manifest is as it was, and the processes were gone meanwhile")
    func parkAndStart() async throws {
        let master = try await Master()
        defer { master.remove() }
        func files() throws -> [String] { try master.host.listing().filter { !$0.contains("rollbook-host") } }
        #expect(master.isServing)
        let before = try files()
        try await master.host.do(master.command(.park))
        #expect(!master.isServing)
        var paths = ClusterPaths()
        paths.kubernetes = master.root + "/etc/kubernetes"
        let fact = ControlPlanePods(paths: paths)
        func look() async throws -> ControlPlanePods.Value {
            try fact.parse(try await master.host.tree.run(fact.command))
        }
        let parked = try await look()
        #expect(parked.placed == [] && parked.parked == Self.pods && parked.running == [])
        try await master.host.do(master.command(.start))
        try await master.host.do(RemoteCommand("sleep 1"))
        #expect(master.isServing)
        #expect(try files() == before)
        let started = try await look()
        #expect(started.placed == Self.pods && started.parked == [] && started.running == Self.pods)
    }

    @Test("a control plane that does not stop is said to, and is not waited for longer than 90 s")
    func doesNotStop() async throws {
        let master = try await Master()
        defer { master.remove() }
        try master.host.tree.program("sleep", ":")
        let failed = await #expect(throws: EtcdHostTree.Failed.self) {
            try await master.host.do(master.command(.park))
        }
        #expect(failed?.text.contains("kube-apiserver still runs 90 s after its manifest left") == true)
    }

    @Test(
        "restored data is for whom the old data was, closed to others, and undone all is as before",
        arguments: [EtcdHostTree.Form.manifest, .environment, .configuration]
    )
    func placed(form: EtcdHostTree.Form) async throws {
        let master = try await prepared(for: .unpack, form)
        defer { master.remove() }
        let host = master.host
        #expect(master.arrived == ["\(Self.run).\(master.archive.sha256).tar.gz"])
        try await host.do(master.command(.unpack))
        #expect(master.arrived == [])
        let names = try host.listing()
        #expect(names.contains { $0.contains("/etcd/member/snap/db 600 65534 restored data") })
        #expect(names.contains { $0.contains("/etcd/member/wal 700 65534 ") })
        #expect(names.contains { $0.contains("/etcd.before-\(Self.run)/member/snap/db ") && $0.hasSuffix("old data") })
        #expect(!names.contains { $0.contains("/.restore-") })
        try await host.do(master.command(.takeAway))
        #expect(try FileManager.default.contentsOfDirectory(atPath: host.data) == [])
        try await host.do(master.command(.putBack))
        #expect(try String(contentsOfFile: host.data + "/member/snap/db", encoding: .utf8) == "old data")
    }

    @Test(
        "a log in a directory of its own is placed there, with the data or not at all, and put back",
        arguments: [EtcdHostTree.Form.manifest, .environment, .configuration, .flags]
    )
    func ownLog(form: EtcdHostTree.Form) async throws {
        let master = try await Master(form, hasOwnLog: true)
        defer { master.remove() }
        let host = master.host
        try await host.do(master.command(.park))
        try await host.do(master.etcd(ParkEtcd.script))
        let before = try host.listing()
        try await host.do(master.etcd(SetEtcdDataAside.script, [Self.run]))
        #expect(try FileManager.default.contentsOfDirectory(atPath: host.log) == [])
        #expect(try await master.send(try master.packed(), sha256: master.archive.sha256).succeeded)
        try await host.do(master.command(.unpack))
        let names = try host.listing()
        #expect(names.contains { $0.contains("lib/etcd-wal/0.wal 600 65534 new log") })
        #expect(names.contains { $0.contains("lib/etcd-wal.before-\(Self.run)/0.wal ") && $0.hasSuffix(" log") })
        #expect(names.contains { $0.contains("/etcd/member/snap/db 600 65534 restored data") })
        #expect(!names.contains { $0.contains("/etcd/member/wal") || $0.contains("restore-") })
        try await host.do(master.command(.unpack))
        #expect(try host.listing() == names)
        try await host.do(master.command(.takeAway))
        try await host.do(master.command(.putBack))
        #expect(try host.listing().filter { !$0.hasPrefix("var/lib/rollbook-host/restore ") } == before)
    }

    @Test("a log that nobody set aside is not replaced")
    func foreignLog() async throws {
        let master = try await Master(hasOwnLog: true)
        defer { master.remove() }
        try await master.prepare(for: .unpack)
        try master.host.tree.write("/var/lib/etcd-wal/1.wal", "somebody's")
        let failed = await #expect(throws: EtcdHostTree.Failed.self) {
            try await master.host.do(master.command(.unpack))
        }
        #expect(failed?.text.contains("is not empty; it was to be set aside first") == true)
        #expect(!FileManager.default.fileExists(atPath: master.host.data + "/member"))
        #expect(FileManager.default.fileExists(atPath: master.host.log + "/1.wal"))
    }

    @Test("data that the run did not put there is neither replaced nor taken away")
    func foreignData() async throws {
        let master = try await prepared(for: .unpack)
        defer { master.remove() }
        let host = master.host
        try host.tree.write("/var/lib/etcd/member/snap/db", "somebody's")
        let before = try host.listing()
        let failed = await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(master.command(.unpack)) }
        #expect(failed?.text.contains("is there; it was to be set aside first") == true)
        #expect(try host.listing() == before)
        try await host.do(master.command(.takeAway))
        #expect(try String(contentsOfFile: host.data + "/member/snap/db", encoding: .utf8) == "somebody's")
        await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(master.command(.putBack)) }
        #expect(try String(contentsOfFile: host.data + "/member/snap/db", encoding: .utf8) == "somebody's")
    }

    @Test("while etcd runs nothing is placed, and nothing taken away")
    func runs() async throws {
        let master = try await prepared(for: .takeAway)
        defer { master.remove() }
        try await master.host.do(master.etcd(StartEtcd.script))
        let before = try master.host.listing()
        for action in [Action.unpack, .takeAway] {
            await #expect(throws: EtcdHostTree.Failed.self) { try await master.host.do(master.command(action)) }
        }
        #expect(try master.host.listing() == before)
    }

    @Test("an archive or a database that is not what was sent is refused, and never takes the data's name")
    func wrongHash() async throws {
        let master = try await prepared(for: .unpack)
        defer { master.remove() }
        let other = String(repeating: "0", count: 64)
        let database = master.etcd(RestoreEtcdData.unpackScript, [Self.run, master.archive.sha256, other])
        let failed = await #expect(throws: EtcdHostTree.Failed.self) { try await master.host.do(database) }
        #expect(failed?.text.contains("the database is not what was sent") == true)
        #expect(!FileManager.default.fileExists(atPath: master.host.data + "/member"))
        let path = "/var/lib/rollbook-host/restore/\(Self.run).\(master.archive.sha256).tar.gz"
        try master.host.tree.write(path, "damaged meanwhile")
        let damaged = await #expect(throws: EtcdHostTree.Failed.self) {
            try await master.host.do(master.command(.unpack))
        }
        #expect(damaged?.text.contains("is not what was sent") == true)
        #expect(!FileManager.default.fileExists(atPath: master.host.data + "/member"))
    }

    @Test("bytes that were cut on their way are refused, and not kept")
    func cutOnItsWay() async throws {
        let master = try await Master()
        defer { master.remove() }
        let bytes = try master.packed()
        let cut = try await master.send(Array(bytes.dropLast(7)), sha256: master.archive.sha256)
        #expect(!cut.succeeded && cut.errorOutput.text.contains("did not arrive as it was sent"))
        #expect(master.arrived == [])
        #expect(try await master.send(bytes, sha256: master.archive.sha256).succeeded)
        #expect(try await master.send(bytes, sha256: master.archive.sha256).succeeded)
        #expect(master.arrived.count == 1)
        try await master.host.do(RemoteCommand(RestoreEtcdData.forgetScript, [Self.run]))
        #expect(master.arrived == [])
    }
}

@Suite("Counting keys")
struct KeyCountTests {
    @Test("of what etcdctl prints; a field that is zero is left out")
    func counts() throws {
        let some = try KeyCount(
            #"{"header":{"cluster_id":1,"revision":1000000991},"kvs":[{"key":"YQ=="}],"count":412}"#
        )
        #expect(some.keys == 412 && some.revision == 1_000_000_991)
        let none = try KeyCount(#"{"header":{"cluster_id":1,"revision":1}}"#)
        #expect(none.keys == 0 && none.revision == 1)
        for text in ["", "Error: context deadline exceeded", #"{"count":3}"#, #"{"header":{"revision":"#] {
            #expect(throws: (any Error).self) { try KeyCount(text) }
        }
    }
}
