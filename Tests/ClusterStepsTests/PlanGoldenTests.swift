import ClusterModel
import Foundation
import Manifests
import RunEngine
import ShippedRunbooks
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Plans of the shipped runbooks")
struct PlanGoldenTests {
    private struct NoConfiguration: SSHDefaults {
        func entry(for alias: String) -> SSHDefaultsEntry { SSHDefaultsEntry() }
    }

    private static let inventories = Fixtures.root.appending(path: "Inventory")

    @Test("every shipped runbook is planned over every sample inventory as reviewed", arguments: ["example", "lab"])
    func plans(inventory: String) async throws {
        let path = Self.inventories.appending(path: "\(inventory).yaml")
        let cluster = try InventoryLoader.load(
            [UInt8](Data(contentsOf: path)),
            path: "Inventory/\(inventory).yaml",
            context: InventoryContext(
                homeDirectory: "/home/op",
                user: "op",
                workingDirectory: "/srv/ops",
                defaultIdentityFiles: [],
                sshDefaults: NoConfiguration()
            )
        ).cluster
        for (name, text) in ShippedRunbooks.all.sorted(by: { $0.key < $1.key }) {
            var trial = EngineTrial(cluster, registry: .shipped)
            trial.library = ShippedRunbookCase.library
            let etcd = SimulatedEtcd(cluster)
            for host in cluster.hosts(in: .master) {
                let own = host.name.text
                trial.hosts[own].responder = { etcd.answer(own, $1, $2) }
                trial.answer(CertificateAuthority(pki: cluster.paths.pki), with: "a-ca", on: host.name.text)
            }
            for host in cluster.hosts where host.role != .worker {
                for kind in CollectableFiles.Kind.allCases {
                    trial.answer(
                        CollectableFiles(kind: kind, paths: cluster.paths),
                        with: host.role == .master ? "control-plane" : "path-with-space",
                        on: host.name.text
                    )
                }
            }
            for host in cluster.hosts {
                trial.answerAsPlanned(host)
            }
            let runbook = try RunbookLoader.load(text, path: "\(name).yaml", catalogue: StepRegistry.shipped)
            var views = StepServices()
            views.add(CannedOutlook() as any BackupOutlook)
            views.add(try CannedRestore(of: cluster.id) as any RestoreOutlook)
            views.add(CannedHistory() as any DatabaseHistory)
            let member = try #require(cluster.etcdHosts.dropFirst().first).name.text
            if name == "etcd-member-remove" { trial.hosts[member].isUp = false }
            let inputs = ShippedRunbookCase.inputs(of: name, member: member)
            let plan = try await trial.plan(runbook, inputs: inputs, views: views)
            #expect(plan.obstacles == [])
            let value = try JSONDecoder().decode(JSONValue.self, from: Data(try plan.bytes()))
            let shown = value.replacing("digest", of: "bindings", by: runbook.digest)
            let golden = GoldenFile(Fixtures.folder.appending(path: "plans/\(name)-\(inventory).json"))
            let difference = try golden.difference(from: try Fixtures.json(shown))
            #expect(difference == nil)
        }
    }

    @Test("preflight asks each of a hundred hosts once, for the facts of all its checks, and sends nothing else")
    func roundTrips() async throws {
        let cluster = Cluster.sample(masters: 3, workers: 95, loadBalancers: 2)
        let trial = EngineTrial(cluster, registry: .shipped)
        for host in cluster.hosts { trial.answerAsPlanned(host) }
        let text = try #require(ShippedRunbooks.all["preflight"])
        let runbook = try RunbookLoader.load(text, path: "preflight.yaml", catalogue: StepRegistry.shipped)
        let plan = try await trial.plan(runbook)
        #expect(plan.obstacles == [])
        for host in cluster.hosts {
            let asked = trial.hosts.calls.filter { $0.host == host.name && $0.kind != .connect && $0.kind != .identity }
            #expect(asked.count == 1, "\(asked)")
            guard case .facts(let count) = asked.first?.kind else {
                Issue.record("\(host.name): \(asked)")
                continue
            }
            #expect(count >= 8, "\(host.name)")
        }
    }
}

extension JSONValue {
    /// The plan without the runbook's digest, which changes with every comment in it.
    fileprivate func replacing(_ what: String, of key: String, by digest: String) -> JSONValue {
        guard case .object(var members) = self, case .object(var bindings) = members[key] else { return self }
        bindings["runbook"] = .string("(\(what) of the file)")
        members[key] = .object(bindings)
        return .object(members)
    }
}

extension Fixtures {
    static let root = folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
}
