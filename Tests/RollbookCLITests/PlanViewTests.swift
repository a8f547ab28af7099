import ClusterModel
import Foundation
import RunEngine
import TestSupport
import Testing

@testable import RollbookCLI

@Suite("What a plan looks like")
struct PlanViewTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    private func expectGolden(_ text: String, _ name: String) throws {
        let golden = GoldenFile(Self.fixtures.appending(path: "\(name).txt"))
        let difference = try golden.difference(from: Array((text + "\n").utf8))
        #expect(difference == nil)
    }

    private func text(of plan: Plan) throws -> String {
        PlanView(plan: plan, id: "sha256:…", isVerbose: true).text
    }

    private static func away(_ value: String) -> StepCall {
        .toy("hold", ["key": .string("x"), "value": .string(value), "away": .bool(true)])
    }

    @Test("every kind of decision, a host left out, batches, a budget and gates, as reviewed")
    func everyForm() async throws {
        let trial = EngineTrial(.sample(masters: 3, workers: 3, loadBalancers: 2))
        for host in ["master1", "master2", "master3"] { trial.hosts[host].values = ["x": "old", "ready": "yes"] }
        trial.hosts["worker1"].values = ["x": "new"]
        trial.hosts["worker2"].values = ["x": "forbidden; next: ask who forbade it"]
        let plan = try await trial.plan(
            .toy([
                .toy(
                    "Masters, one at a time",
                    on: "masters",
                    pace: .serial([.count(1)]),
                    require: [.gate("ready", "yes")],
                    gates: [.gate("ready", "yes")],
                    [Self.away("new"), .add("k", "e")]
                ),
                .toy(
                    "Workers",
                    on: "workers",
                    pace: .serial([.count(1), .percent(50)]),
                    onFailure: .continue,
                    [.set("x", "new"), .toy("after", ["key": .string("later")])]
                ),
                .toy("Load balancers", on: "loadBalancers", maxFailures: .count(1), [.read("x")]),
            ]),
            without: ["worker3"]
        )
        try expectGolden(try text(of: plan), "plan-every-form")
        try expectGolden(JUnitReport(plan).text, "plan-every-form.junit")
    }

    @Test("a plan that would break quorum says so at its end")
    func risky() async throws {
        let trial = EngineTrial(.sample(masters: 3, workers: 0, loadBalancers: 0))
        let plan = try await trial.plan(.toy([.toy("All at once", on: "masters", [Self.away("new")])]))
        try expectGolden(try text(of: plan), "plan-risky")
    }

    @Test("of five hundred hosts those that do the same are told together")
    func many() async throws {
        let trial = EngineTrial(.sample(masters: 3, workers: 500, loadBalancers: 2))
        trial.hosts["worker7"].values = ["x": "new"]
        let plan = try await trial.plan(
            .toy([
                .toy("Masters", on: "masters", pace: .serial([.count(1)]), [.add("k", "e")]),
                .toy("Workers", on: "workers", pace: .serial([.percent(20)]), [.set("x", "new"), .add("k", "e")]),
            ])
        )
        let text = try text(of: plan)
        #expect(text.split(separator: "\n").count < 40, "\(text)")
        try expectGolden(text, "plan-many-hosts")
    }

    @Test("what a name or a value brings along never reaches the terminal as a control character")
    func escapes() async throws {
        let trial = EngineTrial(.sample(masters: 1, workers: 0, loadBalancers: 0))
        let plan = try await trial.plan(
            .toy([.toy("Stage \u{1B}[2J", on: "master1", [.set("x", "\u{1B}]52;c;AAAA\u{7}")])])
        )
        let text = try text(of: plan)
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" }, "\(text)")
    }
}

@Suite("What differs between two inventories")
struct JSONDifferenceTests {
    private func lines(_ old: JSONValue, _ new: JSONValue) -> [String] { JSONDifference(old, new).lines }

    private func host(_ name: String, _ address: String) -> JSONValue {
        .object(["name": .string(name), "ssh": .object(["address": .string(address)])])
    }

    @Test("hosts are told apart by their names, whatever their order")
    func hosts() {
        let old = JSONValue.object(["hosts": .array([host("a", "1"), host("b", "2")])])
        let new = JSONValue.object(["hosts": .array([host("b", "3"), host("c", "4")])])
        #expect(lines(old, new) == ["hosts.a is gone", "hosts.b.ssh.address was 2, is 3", "hosts.c is new"])
        #expect(lines(old, old).isEmpty)
    }

    @Test("values of another kind, and lists without names, are told as a whole")
    func others() {
        #expect(lines(.object(["x": .integer(1)]), .object(["x": .string("1")])) == ["x was 1, is 1"])
        let old = JSONValue.object(["x": .array([.string("a"), .string("b")])])
        #expect(lines(old, .object(["x": .array([.string("a")])])) == ["x was [\"a\",\"b\"], is [\"a\"]"])
    }
}
