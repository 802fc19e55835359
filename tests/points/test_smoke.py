from tests.points.conftest import adjustment, claim, enrolment, purchase, refund


async def test_all(book):
    o = await book(purchase())
    assert o[0].purchase.points == 100 and o[0].balance.available == 100, o
    o = await book(purchase(event="x"))
    assert o[0].status == "repeated"
    o = await book(refund(amount="33.33"), refund(amount="33.33", refund_id="2"), refund(amount="33.34", refund_id="3"))
    assert [x.refund.points for x in o] == [34, 33, 33]
    assert o[2].balance.available == 0
    o = await book(refund("R-2", "40.00"))
    assert o[0].status == "waiting"
    o = await book(purchase("R-2", "50.90"))
    assert o[0].purchase.points == 50 and o[0].balance.available == 10, o
    o = await book(adjustment(-10))
    assert o[0].balance.available == 0
    o = await book(refund("R-2", "10.00", "2"))
    assert o[0].balance.available == -10
    o = await book(purchase("R-3", "25", None, card_number="X1"), purchase("R-4", "30", None))
    assert [x.status for x in o] == ["waiting", "unclaimed"], o
    o = await book(refund("R-3", "5"))
    o = await book(enrolment("c-9", "X1"))
    assert o[0].balance.available == 20, o
    o = await book(claim("R-4"))
    assert o[0].balance.available == 20, o


async def test_verify(book, engine):
    from services.points.verification import verify

    await test_all(book)
    async with engine.connect() as c:
        assert await verify(c) == []
