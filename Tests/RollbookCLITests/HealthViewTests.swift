import BackupStore
import ClusterModel
import ClusterSteps
import Foundation
import Journal
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import RollbookCLI

@Suite("What is told of a cluster's health")
struct HealthViewTests {
    private static let goldens = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/health")
    /// What hosts printed, kept with the tests of the module that reads it.
    private static let facts = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "ClusterStepsTests/Fixtures/facts")

    private func read<F: Fact>(_ fact: F, _ name: String) throws -> F.Value {
        let folder = Self.facts.appending(path: "\(F.name)/\(name)")
        let said = try? Data(contentsOf: folder.appending(path: "stderr"))
        return try fact.parse(
            ProbeBatch.Answer(
                exitCode: 0,
                output: [UInt8](Data(contentsOf: folder.appending(path: "stdout"))),
                errorOutput: said.map { [UInt8]($0) } ?? []
            )
        )
    }

    /// `cases`: by host the fixtures of etcd and API server, or of addresses and load balancer; a host without one is away.
    private func view(_ cases: [String: (String, String)], workers: Int = 2) throws -> HealthView {
        let sample = Cluster.sample(workers: workers)
        let cluster = Cluster(id: sample.id, vip: "10.0.3.100", hosts: sample.hosts)
        let observations = try cluster.hosts.map { host in
            var seen = HostObservation(host: host)
            guard let (first, second) = cases[host.name.text] else {
                if host.role != .worker {
                    seen.failure = OperatorMessage(.unreachable, at: host.name.text, "no answer within 10 s")
                }
                return seen
            }
            if host.role == .master {
                seen.etcd = try read(EtcdStatus(pki: "/pki"), first)
                seen.api = try read(APIServerReadiness(of: host, in: cluster), second)
            } else {
                seen.addresses = try read(HostAddresses(cluster.paths), first)
                seen.balancer = try read(LoadBalancerState(cluster.paths), second)
            }
            return seen
        }
        return HealthView(health: ClusterHealth(cluster, observations))
    }

    private static let well: [String: (String, String)] = [
        "master1": ("healthy-leader", "ready"), "master2": ("healthy-follower", "ready"),
        "master3": ("healthy-follower-3", "ready"), "lb1": ("holder", "first"), "lb2": ("standby", "second"),
    ]

    /// Of one member it is known how it grew, of the others that it is not.
    private struct Grown: DatabaseHistory {
        let host: String

        func trend(of host: HostName) -> DatabaseTrend? {
            DatabaseTrend(
                backups: host.text == self.host ? 14 : 1,
                span: host.text == self.host ? .seconds(13 * 86_400) : .zero,
                measure: .inUse,
                bytesPerDay: host.text == self.host ? 12 << 20 : nil
            )
        }
    }

    @Test("as text and as JSON, as reviewed", arguments: ["well", "degraded", "down", "unknown"])
    func told(_ name: String) throws {
        var cases = Self.well
        switch name {
        case "degraded":
            cases["master1"] = ("fragmented-leader", "ready")
            cases["master3"] = ("not-answering", "etcd-failed")
            cases["lb2"] = ("stopped", "stopped")
        case "down":
            cases["master1"] = ("no-quorum", "etcd-failed")
            cases["master2"] = nil
            cases["master3"] = nil
        case "unknown": cases = [:]
        default: break
        }
        var view = try view(cases, workers: name == "unknown" ? 0 : 2)
        switch name {
        case "well": view.history = Grown(host: "master3")
        case "degraded": view.history = Grown(host: "master1")
        default: break
        }
        for (form, text) in [
            ("txt", view.text), ("json", String(decoding: CanonicalJSON.bytes(of: view.json), as: UTF8.self)),
        ] {
            let golden = GoldenFile(Self.goldens.appending(path: "\(name).\(form)"))
            let difference = try golden.difference(from: Array((text + "\n").utf8))
            #expect(difference == nil)
        }
    }
}
