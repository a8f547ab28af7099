import ClusterModel
import Foundation
import RemoteShell
import TestSupport
import Testing

@testable import ClusterSteps

/// What the etcd steps do to a host, in a real shell: once, twice, undone, and killed at any command.
@Suite("Stopping, renaming and joining etcd, in a real shell")
struct EtcdScriptShellTests {
    private static let run = "20261120T221302Z-9f3a12c4"
    private static let list =
        "master1=https://10.78.0.11:2380,master2=https://10.78.0.12:2380,master3=https://10.78.0.13:2380"

    /// One of the scripts that change a host.
    enum Action: String, CaseIterable, CustomTestStringConvertible {
        case park, start, setAside, putBack, join

        var testDescription: String { rawValue }
    }

    private func command(_ action: Action, _ host: EtcdHostTree) -> RemoteCommand {
        let kubernetes = host.root + "/etc/kubernetes"
        let functions = EtcdInstallation.functions
        return switch action {
        case .park: RemoteCommand([functions, ParkEtcd.script], [kubernetes])
        case .start: RemoteCommand([functions, StartEtcd.script], [kubernetes])
        case .setAside: RemoteCommand([functions, SetEtcdDataAside.script], [kubernetes, Self.run])
        case .putBack:
            RemoteCommand([functions, SetEtcdDataAside.undoScript], [kubernetes, host.data + ".before-" + Self.run])
        case .join:
            RemoteCommand([functions, JoinEtcd.editScript, StartEtcd.script], [kubernetes, Self.run, Self.list])
        }
    }

    /// What has to be done before an action makes sense.
    private func preparation(of action: Action) -> [Action] {
        switch action {
        case .park: []
        case .start, .setAside: [.park]
        case .putBack, .join: [.park, .setAside]
        }
    }

    private func prepared(for action: Action, _ form: EtcdHostTree.Form) async throws -> EtcdHostTree {
        let host = try EtcdHostTree(form)
        for one in preparation(of: action) { try await host.do(command(one, host)) }
        return host
    }

    /// A unit that gives the list as a flag is never joined; see below.
    private static let all = EtcdHostTree.Form.allCases.flatMap { form in
        Action.allCases.filter { form != .flags || $0 != .join }.map { (form, $0) }
    }

    @Test("done twice it leaves what once leaves", arguments: all)
    func twice(form: EtcdHostTree.Form, action: Action) async throws {
        let host = try await prepared(for: action, form)
        defer { host.remove() }
        try await host.do(command(action, host))
        let once = try host.listing()
        try await host.do(command(action, host))
        #expect(try host.listing() == once)
    }

    /// Every fifth command, beginning with another one for each form; all of them with `ROLLBOOK_CRASH_DEPTH2=all`.
    private static func sampled(_ numbers: ClosedRange<Int>, of form: EtcdHostTree.Form) -> [Int] {
        if ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all" { return Array(numbers) }
        let shift = EtcdHostTree.Form.allCases.firstIndex(of: form) ?? 0
        return numbers.filter { ($0 + shift) % 5 == 1 }
    }

    @Test("killed before any command of it, a second run completes it", arguments: all)
    func killed(form: EtcdHostTree.Form, action: Action) async throws {
        let host = try await prepared(for: action, form)
        defer { host.remove() }
        try await host.keep()
        try host.countCommands()
        try await host.do(command(action, host))
        let expected = try host.listing()
        let count = host.commands
        #expect(count >= 2)
        for number in Self.sampled(1...max(1, count), of: form) {
            try await host.restore()
            try host.countCommands(killAt: number)
            _ = try? await host.do(command(action, host))
            try host.countCommands()
            try await host.do(command(action, host))
            let found = try host.listing()
            #expect(found == expected, "killed before command \(number)")
        }
    }

    @Test(
        "stopped and started again, every file is as it was, with its mode and owner",
        arguments: EtcdHostTree.Form.allCases
    )
    func parkAndStart(form: EtcdHostTree.Form) async throws {
        let host = try EtcdHostTree(form)
        defer { host.remove() }
        func files() throws -> [String] { try host.listing().filter { !$0.contains("rollbook-host") } }
        let before = try files()
        let parked = try await host.do(command(.park, host))
        #expect(parked.contains("was running") && !host.isRunning)
        #expect(try files() != before)
        try await host.do(command(.start, host))
        #expect(host.isRunning)
        #expect(try files() == before)
        #expect(try host.listing().filter { $0.contains("/parked/") } == [])
    }

    @Test(
        "data set aside keeps owner and mode, an empty directory takes its place, and undone all is as before",
        arguments: EtcdHostTree.Form.allCases
    )
    func setAside(form: EtcdHostTree.Form) async throws {
        let host = try await prepared(for: .setAside, form)
        defer { host.remove() }
        let before = try host.listing()
        let said = try await host.do(command(.setAside, host))
        let aside = host.data + ".before-" + Self.run
        #expect(said.split(separator: "\n").last.map(String.init) == aside)
        let names = try host.listing()
        #expect(names.contains { $0.contains("etcd.before-\(Self.run)/member/snap/db ") && $0.contains("old data") })
        #expect(!names.contains { $0.contains("/etcd/member") })
        // The new directory is for whom the old one was.
        #expect(try host.owner(host.data) == 65534)
        #expect(try host.mode(host.data) == 0o700)
        if form == .flags {
            #expect(try host.owner(host.root + "/var/lib/etcd-wal") == 65534)
            #expect(names.contains { $0.contains("etcd-wal.before-\(Self.run)/0.wal ") })
        }
        try await host.do(command(.putBack, host))
        #expect(try host.listing() == before)
    }

    @Test("a log on a disk of its own that is a mount point is refused, and a log inside data that stays is moved, too")
    func logPlaces() async throws {
        let host = try EtcdHostTree(.manifest, hasOwnLog: true)
        defer { host.remove() }
        try await host.do(command(.park, host))
        try host.tree.program("stat", "[ \"$3\" = \(host.log) ] && { echo 99; exit 0; }; exec /usr/bin/stat \"$@\"")
        let failed = await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(command(.setAside, host)) }
        #expect(failed?.text.contains("is a mount point, and cannot be renamed") == true)
        #expect(FileManager.default.fileExists(atPath: host.log + "/0.wal"))

        let inner = try EtcdHostTree(.manifest, hasOwnLog: true)
        defer { inner.remove() }
        try await inner.do(command(.park, inner))
        let manifest = inner.joinSource.before
        let text = try String(contentsOfFile: manifest, encoding: .utf8)
        try text.replacing("/var/lib/etcd-wal", with: "/var/lib/etcd/log")
            .write(toFile: manifest, atomically: false, encoding: .utf8)
        try FileManager.default.moveItem(atPath: inner.log, toPath: inner.data + "/log")
        try inner.tree.program("stat", "[ \"$3\" = @/var/lib/etcd ] && { echo 99; exit 0; }; exec /usr/bin/stat \"$@\"")
        try await inner.do(command(.setAside, inner))
        #expect(FileManager.default.fileExists(atPath: "\(inner.data)/log.before-\(Self.run)/0.wal"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: inner.data + "/log") == [])
    }

    @Test("a data directory that is a mount point is kept, and what is in it is moved within it")
    func mountPoint() async throws {
        let host = try await prepared(for: .setAside, .manifest)
        defer { host.remove() }
        try host.tree.program("stat", "[ \"$3\" = @/var/lib/etcd ] && { echo 99; exit 0; }; exec /usr/bin/stat \"$@\"")
        let before = try host.listing()
        let said = try await host.do(command(.setAside, host))
        let aside = host.data + "/.before-" + Self.run
        #expect(said.hasSuffix(aside + "\n"))
        #expect(try host.listing().contains { $0.contains("/.before-\(Self.run)/member/snap/db ") })
        let undo = RemoteCommand(
            [EtcdInstallation.functions, SetEtcdDataAside.undoScript],
            [host.root + "/etc/kubernetes", aside]
        )
        try await host.do(undo)
        #expect(try host.listing() == before)
    }

    @Test("a data directory that is a link is renamed where it really is")
    func link() async throws {
        let host = try await prepared(for: .setAside, .manifest)
        defer { host.remove() }
        let real = host.root + "/srv/etcd"
        try FileManager.default.createDirectory(atPath: host.root + "/srv", withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: host.data, toPath: real)
        try FileManager.default.createSymbolicLink(atPath: host.data, withDestinationPath: real)
        let said = try await host.do(command(.setAside, host))
        #expect(said.hasSuffix("/srv/etcd.before-\(Self.run)\n"))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: host.data) == real)
        #expect(FileManager.default.fileExists(atPath: real))
    }

    @Test("data of an etcd that runs is not touched")
    func runs() async throws {
        let host = try EtcdHostTree(.manifest)
        defer { host.remove() }
        let before = try host.listing()
        await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(command(.setAside, host)) }
        #expect(try host.listing() == before)
    }

    @Test("old data is not put back over new data")
    func newData() async throws {
        let host = try await prepared(for: .putBack, .manifest)
        defer { host.remove() }
        try host.tree.write("/var/lib/etcd/member/snap/db", "new data")
        let before = try host.listing()
        let failed = await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(command(.putBack, host)) }
        #expect(failed?.text.contains("the old data stays at") == true)
        #expect(try host.listing() == before)
    }

    @Test(
        "joining changes exactly the two settings, keeps mode and owner, and the file as it was",
        arguments: EtcdHostTree.Form.allCases
    )
    func join(form: EtcdHostTree.Form) async throws {
        guard form != .flags else { return }
        let host = try await prepared(for: .join, form)
        defer { host.remove() }
        let source = host.joinSource
        let before = try String(contentsOfFile: source.before, encoding: .utf8)
        let (mode, owner) = (try host.mode(source.before), try host.owner(source.before))
        try await host.do(command(.join, host))
        #expect(host.isRunning)
        let after = try String(contentsOfFile: source.after, encoding: .utf8)
        #expect(try host.mode(source.after) == mode && host.owner(source.after) == owner)
        let kept = host.root + "/var/lib/rollbook-host/parked/etcd-joined-with." + Self.run
        #expect(try String(contentsOfFile: kept, encoding: .utf8) == before)
        let old = before.split(separator: "\n", omittingEmptySubsequences: false)
        let new = after.split(separator: "\n", omittingEmptySubsequences: false)
        let added = new.filter { !old.contains($0) }
        let lines =
            switch form {
            case .manifest: ["    - --initial-cluster=\(Self.list)", "    - --initial-cluster-state=existing"]
            case .environment: ["ETCD_INITIAL_CLUSTER=\(Self.list)", "ETCD_INITIAL_CLUSTER_STATE=existing"]
            case .configuration: ["initial-cluster: \(Self.list)", "initial-cluster-state: existing"]
            case .flags: [String]()
            }
        #expect(added.map(String.init) == lines)
        #expect(old.filter { !new.contains($0) }.allSatisfy { $0.lowercased().contains("initial") })
        // Started and joined once more with the same list, nothing changes.
        let once = try host.listing()
        try await host.do(command(.park, host))
        try await host.do(command(.join, host))
        #expect(try host.listing() == once)
    }

    @Test(
        "however a manifest quotes it, the list is replaced",
        arguments: [
            "- --initial-cluster=a=https://1:2380", "- \"--initial-cluster=a=https://1:2380\"",
            "- '--initial-cluster=a=https://1:2380'", "-   --initial-cluster=a=https://1:2380",
        ]
    )
    func quotedFlag(line: String) async throws {
        let host = try EtcdHostTree(.manifest)
        defer { host.remove() }
        let manifest = host.root + "/etc/kubernetes/manifests/etcd.yaml"
        let text = try String(contentsOfFile: manifest, encoding: .utf8)
            .replacing("- --initial-cluster=master1=https://10.78.0.11:2380", with: line)
        try host.tree.write("/etc/kubernetes/manifests/etcd.yaml", text, mode: 0o600)
        for one in [Action.park, .setAside, .join] { try await host.do(command(one, host)) }
        let after = try String(contentsOfFile: manifest, encoding: .utf8)
        let dash = line.prefix { $0 == "-" || $0 == " " }.prefix { _ in true }
        let head = line.hasPrefix("-   ") ? "    -   " : "    - "
        #expect(!dash.isEmpty)
        #expect(after.contains("\n\(head)--initial-cluster=\(Self.list)\n\(head)--initial-cluster-state=existing\n"))
        #expect(!after.contains("a=https://1:2380"))
    }

    @Test("an environment file with the variables, quoted, commented or without them ends with exactly one of each")
    func environmentFiles() async throws {
        let variants = [
            "", "ETCD_INITIAL_CLUSTER=\"a=https://1:2380\"\nETCD_INITIAL_CLUSTER_STATE='new'\n",
            "#ETCD_INITIAL_CLUSTER=x\nETCD_INITIAL_CLUSTER_TOKEN=t\nETCD_INITIAL_CLUSTER_STATE=new\n",
            "ETCD_INITIAL_CLUSTER=a=https://1:2380",
        ]
        for variant in variants {
            let host = try EtcdHostTree(.environment)
            defer { host.remove() }
            let file = host.root + "/etc/default/etcd"
            let rest = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
                .filter { !$0.contains("INITIAL_CLUSTER") }.joined(separator: "\n")
            try host.tree.write("/etc/default/etcd", rest + "\n" + variant)
            for one in [Action.park, .join] { try await host.do(command(one, host)) }
            let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init)
            #expect(lines.filter { $0.hasPrefix("ETCD_INITIAL_CLUSTER=") } == ["ETCD_INITIAL_CLUSTER=\(Self.list)"])
            #expect(
                lines.filter { $0.hasPrefix("ETCD_INITIAL_CLUSTER_STATE=") } == ["ETCD_INITIAL_CLUSTER_STATE=existing"]
            )
            #expect(lines.contains("ETCD_INITIAL_CLUSTER_TOKEN=t") == variant.contains("TOKEN"))
            #expect(lines.contains("#ETCD_INITIAL_CLUSTER=x") == variant.contains("#"))
        }
    }

    @Test("a unit whose flags give the list is refused, and nothing is changed")
    func flags() async throws {
        let host = try await prepared(for: .start, .flags)
        defer { host.remove() }
        let before = try host.listing()
        let command = command(.join, host)
        let failed = await #expect(throws: EtcdHostTree.Failed.self) { try await host.do(command) }
        #expect(failed?.text.contains("gives --initial-cluster as a flag") == true)
        #expect(try host.listing() == before)
    }
}
