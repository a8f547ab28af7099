// What is planned only for the sake of other steps has nothing to do where those have nothing to do.

extension Planner {
    /// The steps of a stage; where a host needs none of those that it would be prepared for there, it has nothing to do at all.
    ///
    /// A stage that only prepares does so for others, or for people.
    static func withoutVainPreparations(
        _ steps: [PlannedStep],
        _ purposes: [StepPurpose?]
    ) -> [PlannedStep] {
        let pairs = zip(steps, purposes)
        let served = pairs.filter { $1 == nil }.map(\.0)
        let idle = Set(served.map(\.host)).subtracting(served.filter { !$0.decision.isNothingToDo }.map(\.host))
        return pairs.map { step, purpose in
            guard let purpose, idle.contains(step.host), !step.decision.isNothingToDo else { return step }
            guard purpose == .preparation || step.decision.isDecidedLater else { return step }
            return step.withNothingToDo(because: "there is nothing to prepare it for")
        }
    }

    /// The steps of a plan; where the stages that others are prepared for have nothing to do, those that prepare have nothing either.
    static func withoutVainStages(_ steps: [PlannedStep], _ arePreparations: [Bool]) -> [PlannedStep] {
        let served = steps.filter { !arePreparations[$0.stage] }
        guard !served.isEmpty, served.allSatisfy(\.decision.isNothingToDo) else { return steps }
        return steps.map { step in
            step.decision.isNothingToDo ? step : step.withNothingToDo(because: "no other stage has anything to do")
        }
    }
}
