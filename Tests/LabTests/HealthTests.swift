import Foundation
import Testing

extension LabSuite {
    /// What the cluster can lose, told while parts of it are really gone.
    @Suite("health")
    struct HealthTests {
        private struct Told: Decodable {
            struct Losses: Decodable, Equatable {
                let masters: Int
                let loadBalancers: Int
                let etcdMembers: Int
            }
            struct Finding: Decodable { let host: String? }
            let v: Int
            let verdict: String
            let canLose: Losses
            let down: [Finding]
            let outages: [String]
        }

        private func expect(
            _ verdict: String,
            _ losses: (Int, Int, Int),
            down hosts: [String],
            _ code: Int32,
            headline: String
        ) async throws {
            let controller = try Controller()
            let text = try await controller.rollbook("health")
            #expect(text.code == code, "\(text)")
            #expect(text.output.hasPrefix(headline), "\(text)")
            let json = try await controller.rollbook("health", "--format", "json")
            #expect(json.code == code, "\(json)")
            let told = try json.decode(Told.self)
            #expect(told.v == 1 && told.verdict == verdict, "\(json)")
            let expected = Told.Losses(masters: losses.0, loadBalancers: losses.1, etcdMembers: losses.2)
            #expect(told.canLose == expected, "\(json)")
            #expect(Set(told.down.compactMap(\.host)).sorted() == hosts, "\(json)")
            #expect(told.outages.isEmpty == (verdict != "down"), "\(json)")
        }

        @Test("all well: 0, and one of each can be lost")
        func well() async throws {
            let began = ContinuousClock.now
            _ = try await Controller().rollbook("health")
            let took = ContinuousClock.now - began
            try await expect(
                "well",
                (1, 1, 1),
                down: [],
                0,
                headline: "lab is well and can lose 1 master, 1 load balancer, 1 etcd member\n"
            )
            print("health of 7 hosts took \(took)")
        }

        @Test("one member stopped: 13, no more member and so no master can be lost")
        func member() async throws {
            try await Lab.here.with("service stop master3 etcd") {
                try await expect(
                    "degraded",
                    (0, 1, 0),
                    down: ["master3"],
                    13,
                    headline: "lab works and can lose no master, 1 load balancer, no etcd member\n"
                )
            }
        }

        @Test("a load balancer's haproxy stopped: 13, no more load balancer can be lost")
        func balancer() async throws {
            try await Lab.here.with("service stop lb2 haproxy") {
                try await expect(
                    "degraded",
                    (1, 0, 1),
                    down: ["lb2"],
                    13,
                    headline: "lab works and can lose 1 master, no load balancer, 1 etcd member\n"
                )
            }
        }

        @Test("two members stopped: 4, and that etcd has no quorum is the first that is said")
        func quorum() async throws {
            try await Lab.here.with("service stop master2 etcd", "service stop master3 etcd") {
                try await expect(
                    "down",
                    (0, 0, 0),
                    down: ["master1", "master2", "master3"],
                    4,
                    headline: "lab does not work: etcd has no quorum ("
                )
            }
        }

        @Test("two masters out of sight while etcd serves: 13, nothing is claimed to be lost that answers to others")
        func outOfSight() async throws {
            try await Lab.here.with("sshd stop master2", "sshd stop master3") {
                try await expect(
                    "degraded",
                    (0, 1, 0),
                    down: ["master2", "master3"],
                    13,
                    headline: "lab works and can lose no master, 1 load balancer, no etcd member\n"
                )
            }
        }
    }
}
