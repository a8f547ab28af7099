import ClusterModel
import RunEngine
import TestSupport
import Testing

@Suite("Inputs of a runbook")
struct InputTests {
    private let trial = EngineTrial()

    private func parameters(
        _ value: String,
        _ inputs: [RunbookInput] = [],
        given: [String: String] = [:]
    ) async throws
        -> [JSONValue?]
    {
        let plan = try await trial.plan(
            .toy(inputs: inputs, [.toy(on: "masters[:2]", [.set("x", value)])]),
            inputs: given
        )
        return plan.steps.map { $0.parameters["value"] }
    }

    @Test("${inputs.x} and ${host.x} are replaced, also several in one text")
    func substitution() async throws {
        let inputs = [
            RunbookInput(name: "v", type: .string), RunbookInput(name: "w", type: .string, defaultValue: "W"),
        ]
        #expect(
            try await parameters(
                "${inputs.v}-${inputs.w} on ${host.name}/${host.address}/${host.role}",
                inputs,
                given: ["v": "V"]
            )
                == [.string("V-W on master1/10.0.1.1/master"), .string("V-W on master2/10.0.1.2/master")]
        )
    }

    @Test("a value that looks like a reference stays a value")
    func noSecondRound() async throws {
        let inputs = [RunbookInput(name: "v", type: .string)]
        #expect(
            try await parameters("${inputs.v}", inputs, given: ["v": "${host.name}$(id)"])[0]
                == .string("${host.name}$(id)")
        )
    }

    @Test("a value of another type than text becomes that type")
    func typed() async throws {
        let plan = try await trial.plan(
            .toy(
                inputs: [RunbookInput(name: "f", type: .boolean)],
                [
                    .toy(
                        on: "masters[0]",
                        [.toy("add", ["key": .string("k"), "entry": .string("e"), "fails": .string("${inputs.f}")])]
                    )
                ]
            ),
            inputs: ["f": "true"]
        )
        #expect(plan.steps[0].parameters["fails"] == .bool(true))
    }

    @Test(
        "an input that is missing, unknown or of the wrong type is a usage error and nothing is contacted",
        arguments: [
            ([:], "needs this input"), (["n": "x"], "is not a integer"), (["n": "007"], "is not a integer"),
            (["n": "1", "m": "2"], "no such input"), (["n": "1", "nn": "2"], "did you mean 'n'"),
        ]
    )
    func usage(given: [String: String], reason: String) async throws {
        let inputs = [RunbookInput(name: "n", type: .integer, isRequired: true)]
        let error = await #expect(throws: OperatorMessage.self) {
            try await parameters("${inputs.n}", inputs, given: given)
        }
        #expect(error?.code == .usage)
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
        #expect(trial.hosts.calls.isEmpty)
    }

    @Test("an input may choose the hosts of a stage", arguments: ["master2", "workers", "masters[1:]"])
    func choosesHosts(given: String) async throws {
        let inputs = [RunbookInput(name: "member", type: .string, isRequired: true)]
        let plan = try await trial.plan(
            .toy(inputs: inputs, [.toy(on: "${inputs.member}", [.set("k", "v")])]),
            inputs: ["member": given]
        )
        let expected = try HostSelector(given).hosts(in: trial.cluster).map(\.name)
        #expect(plan.steps.map(\.host) == expected && !expected.isEmpty)
    }

    @Test("an input that names no host is a usage error that names the nearest, and nothing is contacted")
    func choosesNobody() async throws {
        let inputs = [RunbookInput(name: "member", type: .string, isRequired: true)]
        let runbook = Runbook.toy(inputs: inputs, [.toy(on: "${inputs.member}", [.set("k", "v")])])
        for given in ["mastr2", "master 2", ""] {
            let error = await #expect(throws: OperatorMessage.self) {
                try await trial.plan(runbook, inputs: ["member": given])
            }
            #expect(error?.code == .usage && error?.code.rawValue == 2)
            if !given.isEmpty { #expect(error?.event.contains("did you mean 'master2'?") == true) }
        }
        // What its author wrote is not for the caller to mend.
        let error = await #expect(throws: OperatorMessage.self) {
            try await trial.plan(.toy([.toy(on: "mastr2", [.set("k", "v")])]))
        }
        #expect(error?.code == .invalidInput)
        #expect(trial.hosts.calls.isEmpty)
    }

    @Test("a stage's hosts cannot depend on the host that a step is on")
    func hostInSelector() async throws {
        let error = await #expect(throws: OperatorMessage.self) {
            try await trial.plan(.toy([.toy(on: "${host.name}", [.set("k", "v")])]))
        }
        #expect(error?.code == .invalidInput)
        #expect(trial.hosts.calls.isEmpty)
    }

    @Test(
        "a reference to nothing, or one that is not closed, is refused",
        arguments: ["${inputs.z}", "${host.rack}", "a${"]
    )
    func dangling(text: String) async throws {
        let error = await #expect(throws: OperatorMessage.self) { try await parameters(text) }
        #expect(error?.code == .invalidInput)
    }

    @Test(
        "texts are accepted as values of a type exactly in its canonical form",
        arguments: [
            (ParameterType.integer, ["0", "-5", "42"], ["", "01", "+1", "1.0", " 1", "0x1", "9223372036854775808"]),
            (.boolean, ["true", "false"], ["yes", "True", "1", ""]),
            (
                .duration, ["0s", "90s", "10m", "2h", "1d"],
                ["", "s", "1", "01m", "-1s", "1.5h", "1w", "1m30s", "9223372036854775807d"]
            ),
            (
                .kubernetesVersion, ["1.31.14"],
                ["1.31", "v1.31.1", "1.31.01", "1.31.x", "1..1", "-1.0.0", "+1.0.0", "1.31.1-rc.0"]
            ),
            (.choice(["a", "b"]), ["a"], ["c", ""]), (.string, ["", "anything"], []),
        ]
    )
    func canonical(type: ParameterType, good: [String], bad: [String]) {
        for text in good { #expect(type.accepts(text), "\(text)") }
        for text in bad { #expect(!type.accepts(text), "\(text)") }
    }
}
