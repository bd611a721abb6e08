// Which transactions clef signs on this box without asking. Made by `scheduler config clef` from the
// signing rules; after a change of the configuration run provision/setup.sh, which attests it anew.
// clef: docs/install.md. The numbers are in wei.
var RULES = $rules;
var OWN_TRANSFER_COST = "$own_transfer_cost";

function number(hex) {
    return new BigNumber(String(hex || "0x0").slice(2) || "0", 16);
}

function most(limit) {
    return new BigNumber(limit, 10);
}

function dataOf(transaction) {
    return String(transaction.input || transaction.data || "0x").toLowerCase();
}

function costOf(transaction) {
    return number(transaction.gas).times(number(transaction.maxFeePerGas || transaction.gasPrice));
}

function isOwnTransfer(transaction) {
    return transaction.to.toLowerCase() === transaction.from.toLowerCase()
        && number(transaction.value).isZero() && dataOf(transaction) === "0x";
}

function allows(rule, transaction) {
    return dataOf(transaction).slice(0, 10) === rule.selector
        && (rule.recipients === null || rule.recipients.indexOf(transaction.to.toLowerCase()) >= 0)
        && !number(transaction.value).gt(most(rule.maxValue))
        && !costOf(transaction).gt(most(rule.maxGasCost));
}

function ApproveTx(request) {
    var transaction = request.transaction, i;
    if (!transaction.to) {
        return "Reject";
    }
    if (isOwnTransfer(transaction)) {
        return costOf(transaction).gt(most(OWN_TRANSFER_COST)) ? "Reject" : "Approve";
    }
    for (i = 0; i < RULES.length; i++) {
        if (allows(RULES[i], transaction)) {
            return "Approve";
        }
    }
    return "Reject";
}

function ApproveListing() {
    return "Approve";
}

function ApproveSignData() {
    return "Reject";
}

function ApproveNewAccount() {
    return "Reject";
}

// clef tells these of what it did, and complains where they are missing.
function OnSignerStartup(info) {}
function OnApprovedTx(response) {}
