import Journal
import RunEngine

extension Plan {
    /// The place of the stage that a look at a gate belongs to; nil when the plan has no such stage.
    ///
    /// Journals name the stage. Where an included runbook brings another stage of that name, the kind of the gate tells.
    func stage(of look: StageGate) -> Int? {
        let named = stages.indices.filter { stages[$0].name == look.stage }
        let having = named.first { index in
            (stages[index].require + stages[index].gates).contains { $0.kind == look.gate }
        }
        return having ?? named.first
    }
}
